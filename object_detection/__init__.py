"""Search, training and evaluation of detection networks, on the backbones of tunas_tf."""

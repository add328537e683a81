"""One-shot layers: Keras layers whose active widths are arguments of the call."""

from tunas_tf.layers.activations import activation
from tunas_tf.layers.convolution import MaskedConv2D, MaskedDepthwiseConv2D
from tunas_tf.layers.initializers import DepthwiseHeNormal
from tunas_tf.layers.masking import Sliced, active_part, widen
from tunas_tf.layers.normalization import MaskedBatchNormalization
from tunas_tf.layers.squeeze_excite import MaskedSqueezeExcite
from tunas_tf.layers.switch import Switch, switch
from tunas_tf.layers.zero import Zero

__all__ = [
    "DepthwiseHeNormal",
    "MaskedBatchNormalization",
    "MaskedConv2D",
    "MaskedDepthwiseConv2D",
    "MaskedSqueezeExcite",
    "Sliced",
    "Switch",
    "Zero",
    "activation",
    "active_part",
    "switch",
    "widen",
]

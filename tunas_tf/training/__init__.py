"""Training loops on Orbit: the search, stand-alone training, and the run directory."""

"""The published networks, and the feature maps that they give to a detector, by hand."""

__all__ = ["NAMES", "endpoints"]

# Filters of the endpoints; each but the last of six halves the side of the one before.
_ENDPOINT_FILTERS = {
    "mnasnet_b1": (16, 24, 40, 96, 192, 320),
    "mobiledet_edgetpu": (16, 16, 40, 96, 120, 384),
    "mobilenet_multi_avg": (32, 32, 64, 160, 192),
    "mobilenet_multi_max": (32, 32, 64, 128, 160),
    "mobilenet_v2": (16, 24, 32, 96, 160, 320),
    "mobilenet_v3_large": (16, 24, 40, 112, 160),
    "proxylessnas_cpu": (24, 32, 48, 104, 216, 360),
    "proxylessnas_gpu": (24, 32, 56, 128, 256, 432),
    "proxylessnas_mobile": (16, 32, 40, 96, 192, 320),
}
NAMES = tuple(_ENDPOINT_FILTERS)

_SIDES = {224: (112, 56, 28, 14, 7, 7), 65: (33, 17, 9, 5, 3, 3)}


def endpoints(name: str, image_size: int = 224) -> list[tuple[int, int, int]]:
    """(height, width, filters) of each, for images of side 224 or 65."""
    return [(s, s, filters) for s, filters in zip(_SIDES[image_size], _ENDPOINT_FILTERS[name])]

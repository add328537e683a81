"""How datasets are used, where that is agreed and their files do not say it.

What is published for ImageNet: the first 50,046 training images measure the reward, the
networks have 1,001 outputs, and the accuracy that papers report is that of the validation
images, as the labels of the test images are secret (Bender et al., "Can weight sharing
outperform random architecture search?", CVPR 2020, and its release). COCO's annotations of its
test images are secret as well.
"""

import dataclasses

__all__ = ["BACKGROUND", "Conventions", "base_name", "conventions_of"]

# The name of class 0 in datasets with a background class.
BACKGROUND = "background"


@dataclasses.dataclass(frozen=True)
class Conventions:
    """How a dataset is used.

    Attributes:
      background_class: whether class 0 is a background without images, and the dataset's own
        n labels are the classes 1 to n.
      test_split: the split that finished networks are tested on. None: "test", or
        "validation" where there is no test split or one without labels.
      reward_fraction: share of the training set whose accuracy is a search's reward.
      flip: whether training mirrors images; false for writing, which it would make unreadable.
    """

    background_class: bool = False
    test_split: str | None = None
    reward_fraction: float = 0.1
    flip: bool = True


_WRITING = (
    "binary_alpha_digits",
    "cmaterdb",
    "digit_scenes",
    "digits",
    "emnist",
    "kmnist",
    "mnist",
    "mnist_corrupted",
    "omniglot",
    "svhn_cropped",
)

# By base name; all others follow the defaults.
_CONVENTIONS = {
    "coco": Conventions(test_split="validation"),
    "imagenet2012": Conventions(
        background_class=True, test_split="validation", reward_fraction=50_046 / 1_281_167
    ),
    "imagenet2012_subset": Conventions(background_class=True, test_split="validation"),
    **dict.fromkeys(_WRITING, Conventions(flip=False)),
}


def base_name(name: str) -> str:
    """Without configuration and version: "emnist/letters:3.0.0" -> "emnist"."""
    return name.partition(":")[0].partition("/")[0]


def conventions_of(name: str) -> Conventions:
    """The conventions of the dataset that `data.load` knows by `name`."""
    return _CONVENTIONS.get(base_name(name), Conventions())

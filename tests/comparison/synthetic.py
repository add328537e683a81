"""Results made up from known means."""

from tunas_tf.comparison.results import Result


def result(kind: str = "random", number: int = 0, accuracy: float = 0.8, **fields) -> Result:
    """A network of its own for every kind and number; 100 s and 10^12 multiply-adds."""
    values = {
        "kind": kind,
        "ssd": "some_search",
        "indices": f"{number}:{len(kind)}",
        "cost": 7.0,
        "seed": 0,
        "validation_accuracy": accuracy,
        "test_accuracy": accuracy,
        "seconds": 100.0,
        "training_madds": 1e12,
    }
    return Result(**{**values, **fields})

"""Settings of a search are checked where they are made, before anything is written."""

import pytest

from tunas_tf.common.errors import InputError
from tunas_tf.training.search_settings import SearchSettings


def _settings(**changes) -> SearchSettings:
    return SearchSettings(model_weight_decay=4e-5, **changes)


def test_all_that_there_is_may_be_chosen():
    for name in ("rmsprop", "momentum", "adam"):
        assert _settings(optimizer=name).optimizer == name
    for name in ("stop", "skip"):
        assert _settings(on_nan=name).on_nan == name


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"optimizer": "adamw"}, "optimizer is 'adamw'; it must be one of rmsprop, momentum, adam"),
        ({"optimizer": None}, "optimizer is None; it must be one of"),
        ({"on_nan": "ignore"}, "on_nan is 'ignore'; it must be one of stop, skip"),
        ({"model_momentum": 1.5}, r"model_momentum is 1.5; it must be in \[0, 1\]"),
        ({"cost_tolerance": float("nan")}, "cost_tolerance is nan; it must be above 0"),
        ({"cost_tolerance": 0.0}, "cost_tolerance is 0.0; it must be above 0 and at most 1"),
    ],
)
def test_what_there_is_not_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        _settings(**changes)

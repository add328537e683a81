"""How many examples there are, and where hypothesis keeps its files."""

import os

import hypothesis
from fuzz_inputs import CAMPAIGN
from hypothesis import HealthCheck

# `TUNAS_FUZZ_EXAMPLES=2000 python -m pytest tests/fuzz -n 2` is the full campaign.
_NUM_EXAMPLES = int(os.environ.get(CAMPAIGN, "100"))

hypothesis.settings.register_profile(
    "fuzz",
    max_examples=_NUM_EXAMPLES,
    # The same examples each time: a test that fails, fails for everybody.
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
hypothesis.settings.load_profile("fuzz")

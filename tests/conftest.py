"""What all tests share."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# `reference` is imported by name under any import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent))

# No deadline: the engine compiles on first use, which is no fault of the example at hand. The same
# examples in every run, so that a failure is there again for whoever looks into it.
settings.register_profile("fastsep", deadline=None, max_examples=25, derandomize=True, database=None)
settings.load_profile("fastsep")


@pytest.fixture
def rng():
    return np.random.default_rng(2024)

"""What all tests share."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from fastsep import _run
from fastsep._kernels import jit

# `reference` is imported by name under any import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent))

from helpers import NO_WORK, forget

# No deadline: the engine compiles on first use, which is no fault of the example at hand. The same
# examples in every run, so that a failure is there again for whoever looks into it.
settings.register_profile("fastsep", deadline=None, max_examples=25, derandomize=True, database=None)
settings.load_profile("fastsep")


@pytest.fixture
def small_images_go_parallel(monkeypatch):
    """Images of any size are cut into as many bands as there are workers."""
    monkeypatch.setattr(_run, "SHARED_WORK", NO_WORK)
    monkeypatch.setattr(_run, "WOKEN_WORK", NO_WORK)


@pytest.fixture
def restart(monkeypatch):
    """Forget all kernels and the folder, as a new process would; returns the list of kernels compiled since."""
    compiled = []
    compile_one = jit._compile

    def count(key):
        compiled.append(key)
        return compile_one(key)

    monkeypatch.setattr(jit, "_compile", count)
    jit._fingerprint()  # while the package is where it is

    def start():
        monkeypatch.setattr(jit, "_addresses", {})
        jit.cache_folder.cache_clear()
        forget()
        compiled.clear()
        return compiled

    yield start
    monkeypatch.undo()
    jit.cache_folder.cache_clear()
    forget()


@pytest.fixture
def rng():
    return np.random.default_rng(2024)

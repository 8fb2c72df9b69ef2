"""What all tests share."""

import gc
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

import fastsep
from fastsep import __main__
from fastsep._kernels import cache, jit
from fastsep._patch import tally, worth
from fastsep._plan import tuning

# There is a process for each core, so that threads of BLAS beside them take twice the time. This process starts the
# others, which import NumPy later.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# `reference` is imported by name under any import mode of pytest.
sys.path.insert(0, str(Path(__file__).parent))

from helpers import NO_WORK, on_level, skip_without

# Processes that a test starts import the package that is tested, wherever they run, and find the kernels that are
# compiled already: a copy that is installed as well would compile them again.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(Path(fastsep.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
)

# No deadline: the engine compiles on first use, which is no fault of the example at hand. The same
# examples in every run, so that a failure is there again for whoever looks into it.
settings.register_profile("fastsep", deadline=None, max_examples=25, derandomize=True, database=None)
settings.load_profile("fastsep")


def pytest_collection_finish():
    """Let the garbage collector pass over what has been imported: going through it again and again makes compiling a
    fifth slower."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def small_images_go_parallel(monkeypatch):
    """Images of any size run on as many threads as there are workers, in as many bands as that allows."""
    for name in ("SHARED_WORK", "WOKEN_WORK", "BAND_WORK"):
        monkeypatch.setattr(tuning, name, NO_WORK)


@pytest.fixture
def restart(monkeypatch):
    """Forget all kernels and the folder, as a new process would; returns the list of kernels compiled since."""
    compiled = []
    compile_one = jit._compile

    def count(key):
        compiled.append(key)
        return compile_one(key)

    monkeypatch.setattr(jit, "_compile", count)

    def start():
        monkeypatch.setattr(jit, "_addresses", {})
        cache.folders.cache_clear()
        fastsep.clear_caches()
        compiled.clear()
        return compiled

    yield start
    monkeypatch.undo()
    cache.folders.cache_clear()
    fastsep.clear_caches()


@pytest.fixture
def level(request):
    """Calls run as on a CPU of the level that is the parameter (see `on_level`), where this machine can."""
    if request.param != "native":
        skip_without(request.param)
    with on_level(request.param):
        yield request.param


@pytest.fixture
def nothing_is_patched(monkeypatch):
    """Neither before nor after a test. Fastsep is loaded already, and takes the first calls, too."""
    monkeypatch.setattr(worth, "_loaded", True)
    fastsep.unpatch()
    tally.clear()
    yield
    fastsep.unpatch()


@pytest.fixture
def rng():
    return np.random.default_rng(2024)


# ---- for commands that read and write files


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The test works in a folder of its own, and leaves nothing half-written in it."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]


@pytest.fixture
def photo(rng):
    """Blocks and a ramp in colour, with some noise."""
    pixels = np.zeros((40, 56, 3))
    pixels += np.linspace(0, 90, 56)[:, None]
    pixels[8:24, 10:30, 0] = 220
    pixels[16:36, 24:50, 1] = 180
    return (pixels + rng.integers(0, 12, pixels.shape)).astype(np.uint8)


@pytest.fixture
def command(capsys):
    """Run a command: exit code, standard output, standard error."""

    def run(*arguments):
        status = __main__.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run

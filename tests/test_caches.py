"""What calls leave behind: bounded by bytes, and forgotten on request."""

import gc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
from helpers import MIB, same_bits

import fastsep
from fastsep import _call
from fastsep._engine import caches as _caches
from fastsep._engine import fft, memory


def held():
    """Bytes and number of all that is kept in caches, and of free memory."""
    caches = list(_caches._caches)
    free = sum(workspace.size for workspace in memory._free) + sum(block.nbytes for block in fft._free)
    return sum(cache.held for cache in caches) + free, sum(map(len, caches))


def calls(rng):
    """One of every kind that leaves something behind."""
    image = rng.random((60, 70))
    kernel = rng.random((15, 15))
    layers = [
        fastsep.Conv2D(np.ones((3, 3, 2, 4))),
        fastsep.DepthwiseConv2D(np.ones((3, 3, 2))),
        fastsep.SeparableConv2D(np.ones((3, 3, 2)), np.ones((2, 4))),
    ]
    return [
        lambda: fastsep.gaussian(image, 2),
        lambda: fastsep.gradient(image, sigma=1, output="magnitude"),
        lambda: fastsep.canny(image),
        lambda: fastsep.correlate(image, kernel),
        lambda: fastsep.correlate(image, kernel, method="separable"),
        lambda: fastsep.correlate(image, kernel, method="fft"),
        lambda: fastsep.correlate_bank(image, kernel[None] * [[[1]], [[2]]], method="separable"),
        lambda: fastsep.conv2d(image[..., None], np.ones((3, 3, 1, 2))),
        *(partial(layer, np.ones((9, 9, 2))) for layer in layers),
    ]


def test_clear_caches_forgets_everything_and_changes_nothing(rng):
    runs = calls(rng)
    first = [run() for run in runs]
    assert held()[1] >= len(runs)
    fastsep.clear_caches()
    assert held() == (0, 0)
    for run, result in zip(runs, first, strict=True):
        assert same_bits(run(), result)
        assert held()[0] > 0


def test_importing_it_imports_nothing_else():
    code = "import sys, fastsep; fastsep.clear_caches(); print(*(n for n in sys.modules if n.startswith('fastsep.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["fastsep._engine", "fastsep._engine.caches"]


_MANY = """
import numpy as np, fastsep

def resident():
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024

def run(count):
    for number in range(count):
        kernel = np.outer(rng.random(255), rng.random(255))
        fastsep.correlate(image, kernel, method=("auto", "fft", "separable")[number % 3])

rng, image = np.random.default_rng(0), np.ones((64, 64), np.float32)
run(3)
before = resident()
run(200)
print(resident() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_kernels_used_once_take_bounded_memory():
    """200 kernels of 255 x 255, of which 0.5 MB each are the key alone."""
    done = subprocess.run([sys.executable, "-c", _MANY], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 80 * MIB


@pytest.mark.parametrize("size", [31, 127, 255])
def test_caches_keep_to_their_size(size, rng):
    fastsep.clear_caches()
    image = np.ones((40, 40), np.float32)
    for _ in range(40):
        fastsep.correlate(image, rng.random((size, size)), method="fft")
    for cache in (_call._calls, fft._spectra):
        assert 0 < cache.held <= cache.size
        assert len(cache) <= cache.most
        assert cache.keys() == cache._sizes.keys()
    kept = sum(call.program.runner.plan.what.kernel.nbytes for call in _call._calls.values())
    assert kept <= _call._calls.size


def test_the_size_of_an_entry_counts_all_that_it_holds(rng):
    kernel = rng.random((101, 101))
    fastsep.clear_caches()
    fastsep.correlate(rng.random((50, 50)), kernel, method="direct")
    (call,) = _call._calls.values()
    assert _call._calls.held >= kernel.nbytes + call.program.runner.plan.what.kernel.nbytes + sum(
        array.nbytes for array in call.program.runner._loaded.made.keep
    )
    one, two = np.zeros(1000), [1.0] * 500
    assert 8000 <= _caches.bytes_of(one) == _caches.bytes_of(one[:10]) - 64 < 8200
    assert 16_000 <= _caches.bytes_of((two, two)) < 16_400
    assert _caches.bytes_of(((one, one), {"again": one})) < 9000
    assert _caches.bytes_of((one, two), (one,)) < 16_400  # what is shared is somebody else's


def test_the_first_made_goes_first_and_the_largest_are_not_kept():
    cache = _caches.Cache(10_000, 5)
    for number in range(9):
        cache.keep(number, bytes(100))
    assert list(cache) == [4, 5, 6, 7, 8]
    cache.keep(4, bytes(200))  # now it is the last
    cache.keep(9, bytes(100))
    assert sorted(cache) == [4, 6, 7, 8, 9]
    cache.keep("too large", bytes(6000))
    assert "too large" not in cache
    for number in range(4):
        cache.keep(number, bytes(3000))
    assert sorted(cache) == [1, 2, 3]
    assert cache.held <= cache.size
    cache.clear()
    assert cache.held == len(cache) == 0


def test_a_cache_dies_with_its_owner():
    layer = fastsep.SeparableConv2D(np.ones((3, 3, 2)), np.ones((2, 4)))
    layer(np.ones((9, 9, 2)))
    before = len(_caches._caches)
    del layer
    gc.collect()
    assert len(_caches._caches) == before - 1


def test_threads_fill_and_empty_caches_at_once(rng):
    image = rng.random((20, 20))
    kernels = [rng.random((5, 5)) for _ in range(300)]
    expected = [fastsep.correlate(image, kernel) for kernel in kernels]

    def work(number):
        if number % 10 == 0:
            fastsep.clear_caches()
        assert same_bits(fastsep.correlate(image, kernels[number]), expected[number])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [*range(300)] * 5))
    assert _call._calls.held <= _call._calls.size


def test_threads_make_calls_alike_while_caches_are_emptied_and_settings_change(rng):
    images = [rng.random((40, 33), np.float32) for _ in range(8)]
    expected = [(fastsep.gaussian(image), *fastsep.gradient(image)) for image in images]
    threads = fastsep.get_num_threads()

    def work(number):
        image, out = images[number], np.empty_like(images[number])
        for turn in range(200):
            if turn % 50 == number:
                fastsep.clear_caches()
                fastsep.set_num_threads(1 + number % 3)
            results = fastsep.gaussian(image, out=out), *fastsep.gradient(image)
            assert all(map(same_bits, results, expected[number]))

    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
    finally:
        fastsep.set_num_threads(threads)

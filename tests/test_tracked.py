"""Edges by hysteresis in chunked arrays are those of the whole image in memory."""

import dask
import dask.array as da
import numpy as np
import pytest

import fastsep

RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def in_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


def picture(shape, dtype):
    """A cloudy image, which has edges of all lengths."""
    values = fastsep.gaussian(RNG.random(shape), 1.5)
    values = (values - values.min()) / max(np.ptp(values), 1e-9)
    return values.astype(dtype) if np.dtype(dtype).kind == "f" else (values * 255).astype(dtype)


def chunked(array, most=4):
    """In chunks of any sizes, some of which hold nothing."""
    cuts = [np.sort(RNG.integers(0, size + 1, RNG.integers(0, most))) for size in array.shape]
    sizes = (np.diff([0, *cut, size]) for cut, size in zip(cuts, array.shape, strict=True))
    return da.from_array(array, tuple(tuple(each.tolist()) for each in sizes))


def same(lazy, expected):
    assert lazy.dtype == bool
    assert np.array_equal(lazy.compute(), expected)


@pytest.mark.parametrize("mode", ["constant", "reflect", "nearest", "mirror", "wrap"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_canny_is_the_same_in_chunks(dtype, mode):
    for sigma in (0, 1, 2.3):
        image = picture(RNG.integers(1, 70, 2), dtype)
        same(fastsep.canny(chunked(image), sigma, mode=mode), fastsep.canny(image, sigma, mode=mode))


@pytest.mark.parametrize("lazy", [False, True])
def test_canny_with_a_mask_is_the_same_in_chunks(lazy):
    image = picture((60, 47), "uint8")
    mask = RNG.random(image.shape) < 0.98
    same(fastsep.canny(chunked(image), mask=chunked(mask) if lazy else mask), fastsep.canny(image, mask=mask))


def test_an_edge_is_followed_through_many_chunks():
    """A weak line to and fro through all of an image, strong at its beginning only."""
    line = np.zeros((25, 25))
    line[::2] = 1
    line[1::4, -1] = line[3::4, 0] = 1
    line[0, 0] = 2
    for size in (1, 3, 7, 24):
        same(fastsep.apply_hysteresis_threshold(da.from_array(line, size), 0.5, 1.5), line > 0)


@pytest.mark.parametrize("shape", [(200,), (30, 40), (12, 10, 14)])
def test_thresholds_are_the_same_in_chunks(shape):
    image = RNG.random(shape)
    for low, high in ((0.5, 0.9), (0.3, 0.99), (RNG.random(shape[-1:]), 0.9), (0.4, chunked(RNG.random(shape)))):
        limits = [limit.compute() if isinstance(limit, da.Array) else limit for limit in (low, high)]
        found = fastsep.apply_hysteresis_threshold(chunked(image), low, high)
        same(found, fastsep.apply_hysteresis_threshold(image, *limits))


def test_nothing_is_computed_before_it_is_asked_for():
    def fail(block):
        raise AssertionError("computed")

    image = da.map_blocks(fail, da.ones((20, 20), chunks=10), dtype=float, meta=np.empty((0, 0)))
    edges = fastsep.canny(image)
    assert edges.chunks == image.chunks
    assert edges.name == fastsep.canny(image).name
    assert edges.name != fastsep.canny(image, 2).name


def test_quantiles_are_refused():
    with pytest.raises(ValueError, match="`use_quantiles` must be False for an array of dask"):
        fastsep.canny(da.ones((9, 9)), use_quantiles=True)


def test_arrays_in_memory_may_have_a_mask_in_chunks():
    image = picture((40, 40), "uint8")
    mask = RNG.random(image.shape) < 0.98
    assert np.array_equal(fastsep.canny(image, mask=chunked(mask)), fastsep.canny(image, mask=mask))

"""`gaussian(tol=)`: wide Gaussians by way of fewer rows, within a bound."""

from itertools import product

import dask.array as da
import numpy as np
import pytest
from helpers import LEVELS, assert_refused, same_bits, skip_without, slow

import fastsep
from fastsep._engine.levels import for_level
from fastsep._ops import decimated
from fastsep._plan.decimation import decimations

MODES = ("reflect", "constant", "nearest", "mirror", "wrap")


@pytest.fixture
def always(monkeypatch):
    """Whatever it costs: small images are thinned out, too."""
    monkeypatch.setattr(decimated, "_seconds", lambda *_: 0.0)
    fastsep.clear_caches()
    yield
    fastsep.clear_caches()


def is_thinned_out(image, *args, **options):
    return fastsep.explain(fastsep.gaussian, image, *args, **options).strategy == "stages"


# ---- the bound


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("sigma", "truncate", "tol"),
    [
        (3, 4.0, 1e-2),
        (10, 4.0, 1e-3),
        (10, 4.0, 1e-4),
        (20, 4.0, 1e-3),
        (20, 5.0, 1e-5),
        (40, 3.0, 1e-2),
        (40, 6.0, 1e-6),
    ],
)
@pytest.mark.usefixtures("always")
def test_no_kernel_is_further_off_than_the_tolerance(mode, sigma, truncate, tol):
    # Row r of what becomes of the identity holds the taps of result r, folded in at the borders.
    rows = np.eye(int(3 * truncate * sigma))
    options = {"mode": mode, "truncate": truncate}
    exact, found = fastsep.gaussian(rows, (sigma, 0), **options), fastsep.gaussian(rows, (sigma, 0), tol=tol, **options)
    told = fastsep.explain(fastsep.gaussian, rows, (sigma, 0), tol=tol, **options)
    assert told.strategy == "stages"
    error = np.abs(found - exact).sum(1).max()
    assert error <= told.error * (1 + 1e-9) + 1e-13  # rounding of float64
    assert told.error <= tol
    if mode == "wrap":  # every kernel is whole
        assert error == pytest.approx(told.error, rel=1e-9)


@pytest.mark.parametrize("sigma", [2.8, 3.1, 7.7, 33.0, 150.0, 400.0])
@pytest.mark.parametrize("tol", [1e-2, 1e-3, 2e-4])
def test_every_way_keeps_to_the_tolerance(sigma, tol):
    ways = list(decimations(sigma, 4.0, tol))
    assert all(way.error <= tol for way in ways)
    assert ways or tol < 1e-2


def test_worst_images_are_off_by_the_bound(always):
    rows = np.eye(300)
    kernel = fastsep.gaussian(rows, (15, 0), tol=1e-3) - fastsep.gaussian(rows, (15, 0))
    image = np.sign(kernel[150])[:, None] * np.ones((300, 200))
    off = np.abs(fastsep.gaussian(image, 15, tol=1e-3) - fastsep.gaussian(image, 15))
    assert off[150, 100] == pytest.approx(np.abs(kernel[150]).sum(), rel=1e-6)
    assert off.max() <= 1e-3


@pytest.mark.parametrize("dtype", ["uint8", "float32", *slow("int16", "uint16", "float64")])
@pytest.mark.parametrize("mode", MODES)
def test_images_of_every_dtype(dtype, mode, rng):
    image = rng.random((200, 150))
    if np.dtype(dtype).kind != "f":
        image *= np.iinfo(dtype).max
    image = image.astype(dtype)
    options = {"mode": mode, "cval": 0.3}
    assert is_thinned_out(image, 9, tol=1e-3, **options)
    found, exact = fastsep.gaussian(image, 9, tol=1e-3, **options), fastsep.gaussian(image, 9, **options)
    assert found.dtype == exact.dtype
    assert np.abs(found - exact).max() <= 1e-3


def test_integers_are_rounded_and_saturated(rng):
    image = rng.integers(0, 256, (200, 150), np.uint8)
    found = fastsep.gaussian(image, 9, tol=1e-3, dtype=np.uint8)
    exact = fastsep.gaussian(image, 9, preserve_range=True)
    assert found.dtype == np.uint8
    assert np.abs(found - exact).max() <= 0.5 + 255e-3
    bright = np.full_like(image, 255)
    assert same_bits(fastsep.gaussian(bright, 9, tol=1e-3, dtype=np.uint8), bright)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_flat_image_stays_flat(dtype):
    image = np.full((300, 200), 1000, dtype)
    assert is_thinned_out(image, 20, tol=1e-3)
    # A rounding of each of three steps' sums, whose taps are rounded, too.
    np.testing.assert_allclose(fastsep.gaussian(image, 20, tol=1e-3), 1000, rtol=8 * np.finfo(dtype).eps)


# ---- which axis, and where exact taps run


@pytest.mark.parametrize(
    ("shape", "sigma", "channel_axis"),
    [
        ((40, 150, 60), 8, None),
        ((150, 40, 60), (2, 9, 3), None),
        ((150, 90, 3), 9, 2),
        ((3, 150, 90), 9, 0),
        ((150, 3, 90), 9, 1),
        ((5, 70, 12, 40), (0, 9, 2, 1), None),
        ((150, 90), (12, 0), None),
    ],
)
@pytest.mark.usefixtures("always")
def test_axes_and_channels(shape, sigma, channel_axis, rng):
    image = rng.random(shape)
    options = {"channel_axis": channel_axis, "mode": "reflect"}
    assert is_thinned_out(image, sigma, tol=1e-3, **options)
    found, exact = fastsep.gaussian(image, sigma, tol=1e-3, **options), fastsep.gaussian(image, sigma, **options)
    assert 0 < np.abs(found - exact).max() <= 1e-3


@pytest.mark.parametrize(
    ("shape", "sigma", "options"),
    [
        ((400, 300), 20, {"tol": 0}),
        ((400, 300), 20, {"tol": 1e-7}),
        ((400, 300), 1, {"tol": 1e-3}),
        ((400, 300), (0, 20), {"tol": 1e-3}),
        ((400, 300), 20, {"tol": 1e-3, "order": 1}),
        ((4000,), 20, {"tol": 1e-3}),
        ((4000, 3), 20, {"tol": 1e-3, "channel_axis": 1}),
        ((0, 300), 20, {"tol": 1e-3}),
    ],
)
def test_what_cannot_gain_is_exact(shape, sigma, options, rng):
    image = rng.random(shape, np.float32)
    assert not is_thinned_out(image, sigma, **options)
    exact = {name: value for name, value in options.items() if name != "tol"}
    assert same_bits(fastsep.gaussian(image, sigma, **options), fastsep.gaussian(image, sigma, **exact))


@pytest.mark.parametrize(
    ("sigma", "tol", "why"),
    [(20, 1e-6, "no factor keeps to 1e-06"), (2.9, 1e-2, "it would take longer"), ((0, 9), 1e-3, "another axis")],
)
def test_explain_says_why_not(sigma, tol, why):
    told = fastsep.explain(fastsep.gaussian, np.zeros((40, 300)), sigma, tol=tol)
    ((method, _, reason),) = told.rejected
    assert method == "decimated"
    assert why in reason
    assert told.error == 0


def test_explain_prints_the_bound():
    told = fastsep.explain(fastsep.gaussian, np.zeros((1000, 1000), np.float32), 20, tol=1e-3)
    assert "error bound      8.51e-04 x max(|image|, |cval|)" in str(told)
    assert told.multiplications < 30


def test_missing_pixels_are_ignored_exactly():
    image = np.zeros((300, 200))
    told = [str(fastsep.explain(fastsep.gaussian, image, 15, tol=tol, nan="ignore")) for tol in (0.0, 1e-3)]
    assert told[0] == told[1]


@pytest.mark.parametrize("tol", [-1e-3, np.nan, np.inf])
def test_a_bad_tolerance_is_refused(tol):
    assert_refused(lambda: fastsep.gaussian(np.zeros((9, 9)), tol=tol), ValueError, r"`tol` must be finite and not neg")


@pytest.mark.parametrize("tol", ["0.1", [1e-3]])
def test_a_tolerance_is_a_number(tol):
    assert_refused(lambda: fastsep.gaussian(np.zeros((9, 9)), tol=tol), TypeError, r"`tol` must be a real number")


# ---- the same bits


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_threads_and_blocks_change_no_bit(mode, dtype, rng):
    image = (255 * rng.random((403, 300))).astype(dtype)
    assert is_thinned_out(image, 7, tol=1e-3, mode=mode)
    whole = fastsep.gaussian(image, 7, tol=1e-3, mode=mode, workers=1)
    assert same_bits(fastsep.gaussian(image, 7, tol=1e-3, mode=mode, workers=3), whole)
    for chunks in ((101, 300), (57, 41), ((1, 202, 200), (150, 149, 1))):
        parts = fastsep.gaussian(da.from_array(image, chunks=chunks), 7, tol=1e-3, mode=mode)
        assert same_bits(parts.compute(scheduler="sync"), whole)
    target = np.empty_like(whole)
    fastsep.filter_blocks(fastsep.gaussian, image, target, 7, tol=1e-3, mode=mode, block=(77, 90))
    assert same_bits(target, whole)


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("source", "dtype"), [("float32", None), ("uint8", "uint8")])
def test_vectors_of_every_width(level, source, dtype, rng):
    skip_without(level)
    image = (200 * rng.random((200, 150))).astype(source)
    own = fastsep.gaussian(image, 9, tol=1e-3, dtype=dtype)
    with for_level(level):
        found = fastsep.gaussian(image, 9, tol=1e-3, dtype=dtype)
    if level == "x86-64-v3":
        assert same_bits(found, own)
    else:  # without fused multiply-add
        np.testing.assert_allclose(found, own, rtol=1e-6, atol=1 if dtype else 0)


# ---- what is read and written


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.usefixtures("always")
def test_images_of_every_size(mode, rng):
    for rows, cols in product((1, 2, 5, 8, 9, 31, 70, 131), (1, 3, 7, 8, 15, 16, 17, 33, 127, 128, 129, 260)):
        image = rng.random((rows, cols), np.float32)
        room = np.full((rows + 2, cols), 7, np.float32)
        fastsep.gaussian(image, (4, 1), tol=1e-2, mode=mode, out=room[1:-1])
        assert (room[[0, -1]] == 7).all()
        exact = fastsep.gaussian(image, (4, 1), mode=mode)
        assert np.abs(room[1:-1] - exact).max() <= 1e-2


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_reaches_no_further_than_the_halo(value, rng):
    image = rng.random((500, 300), np.float32)
    clean = fastsep.gaussian(image, 10, tol=1e-3)
    told = fastsep.explain(fastsep.gaussian, image, 10, tol=1e-3)
    assert told.strategy == "stages"
    (before, after), (left, right) = told.halo
    for row in range(240, 252):  # a pixel of each phase
        spoilt = image.copy()
        spoilt[row, 150] = value
        found = fastsep.gaussian(spoilt, 10, tol=1e-3)
        same = np.ones(image.shape, bool)
        same[row - after : row + before + 1, 150 - right : 150 + left + 1] = False
        assert same_bits(found[same], clean[same])
        assert not np.isfinite(found[row, 150])


def test_large_results_may_lie_anywhere(rng):
    image = rng.random((1100, 4096), np.float32)  # written past the caches, where they lie on lines of them
    whole = fastsep.gaussian(image, 12, tol=1e-3)
    room = np.empty(image.size + 17, np.float32)
    for start in range(0, 17, 3):
        out = room[start : start + image.size].reshape(image.shape)
        assert same_bits(fastsep.gaussian(image, 12, tol=1e-3, out=out), whole)

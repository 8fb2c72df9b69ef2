"""`separable_filter(stride=)`: the same bits as every n-th result of the whole filter, and nothing else made."""

from itertools import product

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from helpers import LEVELS, MODES, assert_refused, noise, same_bits, slow
from scipy import ndimage

import fastsep

BINOMIAL = [1 / 16, 1 / 4, 3 / 8, 1 / 4, 1 / 16]
MEAN, ANY, EVEN, SLOPE = [0.25, 0.5, 0.25], [1.0, 2.0, 3.5], [0.5, 0.2, 0.1, 0.4], [-1.0, 0.0, 1.0]
LONG, SHORTER = [1.0 / (3 + abs(k)) for k in range(-13, 14)], [1.0 / (3 + k) for k in range(25)]
#: Taps along y and x: short and symmetric with a kernel of their own, others, so many that rows are copied and as many
#: as are not, one, none, and those that cancel.
LINES = [
    (BINOMIAL, BINOMIAL), (MEAN, MEAN), (BINOMIAL, MEAN), (ANY, EVEN), (LONG, ANY), (SHORTER, ANY), (EVEN, LONG),
    ([2.0], BINOMIAL), (None, ANY), (EVEN, None), (None, None), (SLOPE, MEAN), (MEAN, SLOPE), (SLOPE, SLOPE),
    (BINOMIAL, [-1.0, 1.0]),
]  # fmt: skip
#: Those that need few kernels.
FEW = [(BINOMIAL, BINOMIAL), (LONG, ANY), (None, EVEN)]
STRIDES = [2, (2, 1), (1, 2), (3, 2), (2, 7), (40, 3), (1000, 1000)]
SHAPES = [(1, 1), (1, 40), (40, 1), (2, 3), (7, 8), (16, 17), (33, 34), (5, 130), (70, 41), (35, 900)]
IMAGE = np.zeros((8, 9), np.float32)


def part(values, strides, channel_axis=None):
    """Every n-th result along each spatial axis."""
    spatial = [axis for axis in range(values.ndim) if channel_axis is None or axis != channel_axis % values.ndim]
    along = [slice(None)] * values.ndim
    for axis, stride in zip(spatial, np.broadcast_to(strides, len(spatial)), strict=True):
        along[axis] = slice(None, None, int(stride))
    return np.ascontiguousarray(values[tuple(along)])


def assert_is_a_part(image, taps, strides, channel_axis=None, **options):
    options["channel_axis"] = channel_axis
    found = fastsep.separable_filter(image, taps, stride=strides, **options)
    whole = fastsep.separable_filter(image, taps, **options)
    assert same_bits(found, part(whole, strides, channel_axis)), (image.shape, image.dtype, taps, strides, options)


def check_planes(dtype, result, rng, every=LINES, share=1):
    for index, (shape, lines, strides) in enumerate(product(SHAPES, every, STRIDES)):
        if index % share == 0:
            image = noise(rng, dtype, shape)
            modes = MODES[index % 5], MODES[index // 5 % 5]
            assert_is_a_part(image, lines, strides, mode=modes, cval=float(index % 3), dtype=result)


# ---- the same bits


def test_a_stride_leaves_every_nth_result(rng):
    check_planes("float32", None, rng, FEW, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "result"),
    [
        ("float32", "float32"), ("float64", "float64"), ("uint8", "uint8"), ("uint8", "float32"), ("uint8", "int16"),
        ("int16", "float64"), ("uint16", "uint16"), ("float16", "float16"), ("int32", "int32"), ("bool", "float32"),
    ],
)  # fmt: skip
def test_dtypes_are_those_of_the_whole_filter(dtype, result, rng):
    check_planes(dtype, result, rng)


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS, indirect=True)
def test_vectors_of_any_width_leave_the_same(level, rng):
    check_planes("float32", None, rng)
    check_planes("uint8", "uint8", rng, share=3)


@pytest.mark.parametrize("mode", MODES)
def test_results_are_those_of_the_definition(mode, rng):
    image = noise(rng, "float32", (23, 38))
    options = {"mode": mode, "cval": 0.5}
    down = ndimage.correlate1d(image.astype(np.float64), BINOMIAL, 0, **options)
    expected = ndimage.correlate1d(down, ANY, 1, **options)[::2, ::3]
    found = fastsep.separable_filter(image, (BINOMIAL, ANY), stride=(2, 3), **options)
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6)  # taps that sum to 6.5, in float32


@pytest.mark.parametrize(
    "image",
    [
        ((70,), None), ((1,), None), ((1000,), None), ((3, 70), 0), ((20, 70), 0), ((20, 70), 1), ((300, 3), 1),
        ((19, 40, 3), 2), ((19, 40, 1), -1), ((3, 19, 40), 0), ((19, 3, 40), 1), ((19, 4, 17), 2),
        *slow(((9, 10, 17), None), ((5, 6, 21, 2), 3), ((4, 5, 6, 33), None), ((3, 2, 4, 3, 18), 0)),
    ],
)  # fmt: skip
def test_channels_and_any_number_of_axes(image, rng):
    shape, channel_axis = image
    image = noise(rng, "float32", shape)
    ndim = len(shape) - (channel_axis is not None)
    for index, lines in enumerate(product((BINOMIAL, ANY, None), repeat=ndim)):
        for strides in (2, 3, tuple(range(1, ndim + 1)), (2, *(1,) * (ndim - 1)), (*(1,) * (ndim - 1), 5)):
            modes = MODES[index % 5]
            assert_is_a_part(image, lines, strides, channel_axis, mode=modes, cval=1.5)


def test_nan_stays_where_its_taps_are(rng):
    image = noise(rng, "float32", (40, 60))
    image[11, 30] = np.nan
    image[30, 7] = np.inf
    for lines, strides in product(LINES, ((2, 2), (3, 1))):
        assert_is_a_part(image, lines, strides)


@pytest.mark.usefixtures("small_images_go_parallel")
def test_threads_leave_the_same(rng):
    image = noise(rng, "float32", (170, 200))
    for lines in ((BINOMIAL, BINOMIAL), (LONG, EVEN)):
        expected = fastsep.separable_filter(image, lines, stride=2, workers=1)
        for workers in (2, 3, 7):
            assert same_bits(fastsep.separable_filter(image, lines, stride=2, workers=workers), expected)


@pytest.mark.slow
def test_rows_longer_than_what_is_made_together(rng):
    for shape, lines, strides in (
        ((3, 70_001), (MEAN, LONG), (2, 3)),
        ((20, 9001), (LONG, BINOMIAL), (3, 64)),
        ((2, 5000), (None, [1.0] * 3001), (1, 700)),
    ):
        for mode in MODES:
            assert_is_a_part(noise(rng, "float32", shape), lines, strides, mode=mode, cval=2.0)


# ---- arguments


def test_results_go_to_out(rng):
    image = noise(rng, "float32", (21, 34))
    expected = fastsep.separable_filter(image, BINOMIAL, stride=(2, 3))
    out = np.empty((11, 12), np.float32)
    assert fastsep.separable_filter(image, BINOMIAL, stride=(2, 3), out=out) is out
    assert same_bits(out, expected)
    apart = np.empty((22, 12), np.float32)[::2]
    fastsep.separable_filter(image, BINOMIAL, stride=(2, 3), out=apart)
    assert same_bits(np.ascontiguousarray(apart), expected)
    copy = image.copy()
    fastsep.separable_filter(copy, BINOMIAL, stride=(2, 3), out=copy[:11, :12])
    assert same_bits(np.ascontiguousarray(copy[:11, :12]), expected)


@pytest.mark.parametrize("stride", [2, 2.0, [2, 2], np.array([2, 2]), np.int64(2)])
def test_strides_of_any_type(stride):
    assert fastsep.separable_filter(IMAGE, MEAN, stride=stride).shape == (4, 5)


def test_empty_images_stay_empty():
    assert fastsep.separable_filter(np.empty((0, 5)), MEAN, stride=2).shape == (0, 3)
    assert fastsep.separable_filter(np.empty((5, 4, 0)), MEAN, stride=(3, 2), channel_axis=2).shape == (2, 2, 0)


@pytest.mark.parametrize(
    ("options", "exception", "pattern"),
    [
        ({"stride": 0}, ValueError, r"`stride` must be an integer of at least 1; got 0"),
        ({"stride": -2}, ValueError, r"`stride`.*got -2"),
        ({"stride": 1.5}, TypeError, r"`stride` must be an integer; got 1.5"),
        ({"stride": None}, TypeError, r"`stride`.*None"),
        ({"stride": "2"}, TypeError, r"`stride`.*'2'"),
        ({"stride": {"y": 2}}, TypeError, r"`stride`.*'y'"),
        ({"stride": (2, 2, 2)}, fastsep.ArgumentError, r"`stride`.*2 spatial axes; got 3"),
        ({"stride": 2, "out": np.empty((8, 9), np.float32)}, fastsep.ArgumentError, r"`out`.*\(4, 5\); got \(8, 9\)"),
        ({"stride": 2, "nan": "ignore"}, ValueError, r"`stride` must be 1 with .*`nan`.*got 2"),
        ({"stride": 2, "mode": "ignore"}, ValueError, r"`stride` must be 1"),
        ({"stride": 2, "weights": np.ones((8, 9))}, ValueError, r"`stride` must be 1"),
    ],
)
def test_bad_strides_are_refused(options, exception, pattern):
    assert_refused(lambda: fastsep.separable_filter(IMAGE, MEAN, **options), exception, pattern)


def test_masked_arrays_and_blocks_take_no_stride():
    masked = np.ma.MaskedArray(IMAGE, IMAGE == 0)
    assert_refused(lambda: fastsep.separable_filter(masked, MEAN, stride=2), ValueError, "`stride` must be 1")
    target = np.empty((4, 5), np.float32)
    blocks = fastsep.filter_blocks
    assert_refused(
        lambda: blocks(fastsep.separable_filter, IMAGE, target, MEAN, stride=2), ValueError, "`stride` must not"
    )


# ---- arrays of other packages


def test_chunks_leave_the_same(rng):
    image = noise(rng, "float32", (61, 75, 3))
    lazy = da.from_array(image, chunks=(17, 20, 2))
    found = fastsep.separable_filter(lazy, BINOMIAL, stride=(2, 3), channel_axis=2, mode="wrap")
    assert found.shape == (31, 25, 3)
    expected = fastsep.separable_filter(image, BINOMIAL, stride=(2, 3), channel_axis=2, mode="wrap")
    assert same_bits(found.compute(), expected)
    assert fastsep.separable_filter(lazy[:0], MEAN, stride=2, channel_axis=2).shape == (0, 38, 3)


@pytest.mark.parametrize("stride", [2, (2, 3), {"x": 3}])
def test_coordinates_are_those_of_the_pixels_that_stay(stride, rng):
    values = noise(rng, "float32", (12, 3, 17))
    coords = {"y": np.arange(12) / 2, "c": list("rgb"), "x": np.arange(17), "time": ("y", np.arange(12))}
    image = xr.DataArray(values, coords, ("y", "c", "x"), "picture", {"units": "m"})
    for each in (image, image.chunk({"y": 5})):
        found = fastsep.separable_filter(each, {"y": MEAN, "x": ANY}, stride=stride, channel_axis="c")
        whole = fastsep.separable_filter(each, {"y": MEAN, "x": ANY}, channel_axis="c")
        y, x = (1, stride["x"]) if isinstance(stride, dict) else np.broadcast_to(stride, 2).tolist()
        xr.testing.assert_identical(found, whole.isel(y=slice(None, None, y), x=slice(None, None, x)))


# ---- what is made


def test_nothing_else_is_made():
    image = np.broadcast_to(np.float32(0), (300, 400))
    told = fastsep.explain(fastsep.separable_filter, image, BINOMIAL, stride=2)
    assert (told.strategy, told.halo) == ("strided", ((2, 2), (2, 2)))
    assert "one of 2 x 2 results" in told.why
    assert told.seconds < fastsep.explain(fastsep.separable_filter, image, BINOMIAL).seconds


@pytest.mark.parametrize(("taps", "image"), [((SLOPE, MEAN), np.zeros((8, 9), np.uint8)), (MEAN, np.zeros(50))])
def test_taps_that_are_summed_otherwise_and_a_line_make_all(taps, image):
    told = fastsep.explain(fastsep.separable_filter, image, taps, stride=2)
    assert told.strategy != "strided"
    assert "all results are made" in told.why

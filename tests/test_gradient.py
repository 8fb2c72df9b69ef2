"""Promise: any results of a gradient, from one sweep, are those of the operators by themselves."""

import itertools
from functools import partial

import numpy as np
import pytest
import scipy.ndimage as ndi
from helpers import MODES, layouts, noise, same_bits, slow
from reference import assert_close

import fastsep
from fastsep._engine.memory import aligned
from fastsep._ops import gradient
from fastsep._plan import operators, tuning

skimage_filters = pytest.importorskip("skimage.filters")

OPERATORS = tuple(operators.EDGES)
ALL = ("dy", "dx", "magnitude", "orientation")
# Of each way that a gradient is computed in: operator and options.
WAYS = {
    "sweep": ("scharr", {}),
    "smoothing, sweep": ("sobel", {"sigma": (1.1, 0.7)}),
    "wide sweep": ("farid", {}),
    "smoothing, wide sweep": ("farid", {"sigma": 1.3}),
    "smoothing, taps, polar": ("central", {"sigma": 1.3}),
    "central differences": ("central", {}),
    "gaussian": ("gaussian", {"sigma": (0.8, 1.4)}),
    "whole arrays": ("sobel", {"sigma": 1.2, "mode": "wrap"}),
}
ways = pytest.mark.parametrize("way", WAYS)


def of_way(way, image, **options):
    operator, others = WAYS[way]
    return fastsep.gradient(image, operator, **{**others, **options})


# ---- the derivatives


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("operator", OPERATORS)
def test_derivatives_are_those_of_scikit_image(operator, mode, rng):
    theirs = partial(getattr(skimage_filters, operator), mode=mode, cval=0.4)
    for shape, names in (((31,), ["dx"]), ((23, 37), ["dy", "dx"]), ((7, 12, 19), ["dz", "dy", "dx"])):
        for dtype in ("float64", "float32"):
            image = noise(rng, dtype, shape)
            ndim = len(shape)
            # Of planes all outputs, so that one kernel serves this and other tests.
            rest = ("magnitude", "orientation") if ndim == 2 else ("magnitude",)
            results = fastsep.gradient(image, operator, output=(*names, *rest), mode=mode, cval=0.4)[: ndim + 1]
            for axis, result in enumerate(results[:-1]):
                assert result.dtype == dtype
                assert_close(result, theirs(image.astype(float), axis=axis), image)
            # Along one axis theirs has a sign.
            assert_close(results[-1], np.abs(theirs(image.astype(float))) * np.sqrt(ndim), image)
            numbers = (*(f"d{k}" for k in range(ndim)), *rest)
            numbered = fastsep.gradient(image, operator, output=numbers, mode=mode, cval=0.4)[: ndim + 1]
            assert all(same_bits(*pair) for pair in zip(numbered, results, strict=True))


def test_the_magnitude_is_that_of_the_filter_times_the_root_of_the_number_of_axes(rng):
    for shape, used in (((40, 50), OPERATORS), ((9, 10, 11), ["prewitt"])):
        image = noise(rng, "float32", shape)
        for operator in used:
            result = fastsep.gradient(image, operator, output="magnitude")
            assert_close(result, getattr(fastsep, operator)(image) * np.sqrt(image.ndim), np.ones(1))


def test_central_differences_are_numpys_inside(rng):
    for shape in ((40,), (23, 31), (23, 3), (3, 31), (5, 8, 9)):
        image = noise(rng, "float64", shape)
        results = fastsep.gradient(image, "central", output=tuple(f"d{k}" for k in range(len(shape))))
        for axis, result in enumerate(results):
            inside = np.moveaxis(result, axis, 0)[1:-1]
            assert_close(inside, np.moveaxis(np.gradient(image, axis=axis), axis, 0)[1:-1], image)


@pytest.mark.parametrize("mode", [*MODES, ("wrap", "constant"), ("mirror", "nearest")])
def test_derivatives_of_a_gaussian_are_scipys(mode, rng):
    image = noise(rng, "float64")
    for sigma in (0.6, 2, (0.5, 1.7), (0, 1), (1, 0)):
        results = fastsep.gradient(image, "gaussian", sigma=sigma, mode=mode, cval=0.3)
        for order, result in zip(((1, 0), (0, 1)), results, strict=True):
            assert_close(result, ndi.gaussian_filter(image, sigma, order, mode=mode, cval=0.3), image)
    plain = fastsep.gradient(image, "gaussian", output="dx", mode=mode)
    assert_close(plain, ndi.gaussian_filter(image, 1, (0, 1), mode=mode), image)


@pytest.mark.parametrize("mode", [*MODES, ("wrap", "constant"), ("reflect", "wrap"), ("constant", "mirror")])
@pytest.mark.parametrize("operator", ["sobel", "farid", "central"])
def test_smoothing_first_is_the_operator_of_the_smoothed_image(operator, mode, rng):
    for dtype in ("float64", "float32"):
        for shape in ((33, 45), (50, 3), (2, 60)):
            image = noise(rng, dtype, shape)
            for sigma in (0.5, (2, 1), (1.5, 0), (0, 1.5), 0):
                options = {"mode": mode, "cval": 0.6}
                smooth = fastsep.gaussian(image, sigma, **options)
                expected = fastsep.gradient(smooth, operator, output=ALL, **options)
                results = fastsep.gradient(image, operator, sigma=sigma, output=ALL, **options)
                for result, value in zip(results[:3], expected[:3], strict=True):
                    assert_close(result, value, image)


def test_a_volume_may_be_smoothed_too(rng):
    image = noise(rng, "float32", (9, 14, 17))
    smooth = fastsep.gaussian(image, (1, 0.5, 2), mode="mirror")
    names = ("dz", "dy", "dx", "magnitude")
    results = fastsep.gradient(image, "scharr", sigma=(1, 0.5, 2), output=names, mode="mirror")
    for result, value in zip(results, fastsep.gradient(smooth, "scharr", output=names, mode="mirror"), strict=True):
        assert_close(result, value, image)


@pytest.mark.parametrize("names", [("dz", "dy", "dx", "magnitude"), *slow(("magnitude", "d1"), ("orientation",))])
@pytest.mark.parametrize("dtype", ["float32", *slow("float64", "uint8")])
def test_several_results_of_a_volume_are_those_by_themselves(dtype, names, rng):
    image = noise(rng, dtype, (7, 18, 133))
    options = {"mode": ("mirror", "wrap", "nearest")}
    for operator in ("sobel", "scharr"):
        plan = fastsep.explain(fastsep.gradient, image, operator, output=names, **options)
        assert plan.stages == ("derivatives: sweep",)
        results = fastsep.gradient(image, operator, output=names, **options)
        for name, result in zip(names, results, strict=True):
            if name == "orientation":
                dy, dx = fastsep.gradient(image, operator, output=("dy", "dx"), **options)
                assert_orientation(result, dy, dx)
                continue
            axis = {"dz": 0, "dy": 1, "d1": 1, "dx": 2}.get(name)
            alone = getattr(fastsep, operator)(image, axis=axis, **options)
            if name == "magnitude":  # which is not divided by the square root of the number of axes
                assert_close(result, alone * np.sqrt(3.0), np.ones(1))
            else:
                assert same_bits(result, alone)


def test_more_results_of_a_volume_than_a_kernel_has(rng):
    image = noise(rng, "float32", (5, 9, 40))
    names = ("dz", "dy", "dx", "magnitude", "orientation")
    *derivatives, magnitude, orientation = fastsep.gradient(image, "prewitt", output=names)
    assert_close(magnitude, np.sqrt(sum(np.square(values) for values in derivatives)), image)
    assert_orientation(orientation, *derivatives[1:])


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "int32", "uint64", "float16", ">f8"])
def test_dtypes_are_rescaled_as_filters_rescale_them(dtype, rng):
    image = noise(rng, dtype)
    for operator in ("sobel", "farid"):
        theirs = getattr(skimage_filters, operator)
        for axis, result in enumerate(fastsep.gradient(image, operator)):
            expected = theirs(image, axis=axis)
            assert result.dtype == expected.dtype.newbyteorder("=")
            assert_close(result, expected, np.ones(1))
    for mode, cval in (("nearest", 0), ("constant", 0.3), ("constant", 1)):
        smooth = fastsep.gaussian(image, 1, mode=mode, cval=cval)
        expected = fastsep.gradient(smooth, mode=mode, cval=cval)
        for result, value in zip(fastsep.gradient(image, sigma=1, mode=mode, cval=cval), expected, strict=True):
            assert_close(result, value, np.ones(1))


def test_nan_and_infinity_reach_as_far_as_in_the_operators(rng):
    image = noise(rng, "float64")
    image[4, 5], image[20, 30] = np.nan, np.inf
    for operator in (*OPERATORS, "central"):
        results = fastsep.gradient(image, operator, output=ALL)
        for axis in (0, 1):
            expected = fastsep.correlate(image, kernel_of(operator, axis), method="direct")
            np.testing.assert_array_equal(np.isnan(results[axis]), np.isnan(expected))
            np.testing.assert_array_equal(np.isinf(results[axis]), np.isinf(expected))
        with np.errstate(invalid="ignore"):
            expected = np.arctan2(results[0], results[1])
        np.testing.assert_array_equal(np.isnan(results[3]), np.isnan(expected))
    for way in ("smoothing, sweep", "smoothing, wide sweep", "smoothing, taps, polar", "gaussian"):
        result = of_way(way, image, output=ALL)[2]
        assert not np.isfinite(result[[4, 20], [5, 30]]).any()
        far = np.hypot(*(np.mgrid[:29, :41] - np.array([4, 5]).reshape(2, 1, 1))) > 14
        far &= np.hypot(*(np.mgrid[:29, :41] - np.array([20, 30]).reshape(2, 1, 1))) > 14
        assert far.any()
        assert np.isfinite(result[far]).all()


def kernel_of(operator, axis):
    """The taps of an operator, from its response to an impulse."""
    impulse = np.zeros((9, 9))
    impulse[4, 4] = 1
    response = fastsep.gradient(impulse, operator, output=ALL)[axis]
    return response[2:7, 2:7][::-1, ::-1].copy()


# ---- orientation


def special(dtype):
    info = np.finfo(dtype)
    tiny = info.smallest_subnormal
    values = [0, tiny, 3 * tiny, info.tiny, 1e-20, 0.3, 0.41421356, 0.41421357, 1, 2.4142135, 2.4142137, 7, 1e20]
    # No larger ones: the sum of both derivatives has to be finite.
    values += [info.max / 4, info.max / 2, np.inf, np.nan]
    return np.array([*values, *(-value for value in values), -0.0], dtype)


def assert_orientation(angle, dy, dx):
    """arctan2, to 1e-6 or 1e-12, with NumPy's signs of zeros."""
    expected = np.arctan2(dy.astype(float), dx.astype(float))
    atol = 1e-6 if angle.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(angle.astype(float), expected, rtol=0, atol=atol)
    known = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(angle[known]), np.signbit(expected[known]))
    # Zero where, and only where, nothing points up or down.
    flat = known & (dy == 0)
    np.testing.assert_array_equal(angle[flat] == 0, ~np.signbit(dx[flat]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_orientation_of_every_pair_of_special_values(dtype):
    values = special(dtype)
    dy, dx = (np.ascontiguousarray(grid) for grid in np.meshgrid(values, values))
    assert_orientation(gradient.orientation(dy, dx, 1), dy, dx)
    for count in range(1, 40):  # rows that are no whole vectors, or less than one
        rows = dy.size // count
        pair = [grid.reshape(-1)[: rows * count].reshape(rows, count) for grid in (dy, dx)]
        assert_orientation(gradient.orientation(*pair, 2), *pair)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_orientation_all_around(dtype, rng):
    angles = np.concatenate([np.linspace(-np.pi, np.pi, 4001), np.pi / 8 * np.arange(-8, 9)])
    for size in (1e-30, 1, 1e30):
        dy, dx = (size * np.sin(angles)).astype(dtype), (size * np.cos(angles)).astype(dtype)
        assert_orientation(gradient.orientation(dy, dx, 1), dy, dx)


@ways
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_orientation_is_that_of_the_derivatives(way, dtype, rng):
    for shape in ((29, 41), (61, 7), (5, 200)):
        image = noise(rng, dtype, shape)
        image[1:4] = 0.25  # where derivatives are zero
        dy, dx, angle = of_way(way, image, output=("dy", "dx", "orientation"))
        assert angle.dtype == dtype
        assert_orientation(angle, dy, dx)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_orientation_of_images_of_special_values(dtype, rng):
    values = special(dtype)
    for shape in ((30, 33), (40, 300)):
        # Zeros mostly, so that most derivatives are of one value.
        image = np.where(rng.random(shape) < 0.3, rng.choice(values / 4, shape), 0).astype(dtype)
        for operator in ("central", "prewitt", "sobel", "farid"):
            with np.errstate(all="ignore"):
                dy, dx, _, angle = fastsep.gradient(image, operator, output=ALL)
                small = np.isnan(dy + dx) | np.isinf(dy) | np.isinf(dx) | np.isfinite(np.abs(dy) + np.abs(dx))
            assert small.mean() > 0.9
            assert_orientation(angle[small], dy[small], dx[small])


# ---- which results


SUBSETS = (
    ("dy", "dx"),
    ("dx", "magnitude"),
    ("orientation", "dx", "dy"),
    ("magnitude", "orientation"),
    ALL,
    ALL[::-1],
)


@ways
@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_subset_and_order_gives_the_bits_of_each_alone(way, dtype, rng):
    # Each is a kernel of its own: of float64 the half of them.
    subsets = SUBSETS if dtype == "float32" else SUBSETS[::4]
    for shape in ((21, 47), (35, 150)):
        image = noise(rng, dtype, shape)
        alone = {name: of_way(way, image, output=name) for name in ALL if dtype == "float32" or name[0] == "d"}
        for names in subsets:
            results = of_way(way, image, output=names)
            assert len(results) == len(names)
            for name, result in zip(names, results, strict=True):
                assert name not in alone or same_bits(result, alone[name]), (names, name)


@ways
def test_names_may_repeat_and_number_the_axes(way, rng):
    image = noise(rng, "float32", (21, 47))
    alone = dict(zip(ALL, of_way(way, image, output=ALL), strict=True))
    again = of_way(way, image, output=["dx", "dx", "d0", "magnitude", "orientation", "d1", "dy"])
    for name, result in zip(("dx", "dx", "dy"), again[:3], strict=True):
        assert same_bits(result, alone[name])
    assert not any(np.may_share_memory(a, b) for a, b in itertools.combinations(again, 2))
    assert_close(again[3], alone["magnitude"], image)
    assert_close(again[4], alone["orientation"], np.full(1, np.pi))


def test_one_name_gives_an_array_and_several_a_tuple(rng):
    image = noise(rng, "float32", (6, 7))
    assert type(fastsep.gradient(image)) is tuple
    assert len(fastsep.gradient(image)) == 2
    assert type(fastsep.gradient(image, output="dy")) is np.ndarray
    assert type(fastsep.gradient(image, output=("dy",))) is tuple
    assert type(fastsep.gradient(image, output=["dx", "magnitude"])) is tuple


def test_axis_limits_the_magnitude_only(rng):
    for shape in ((12, 17), (6, 7, 8)):
        image = noise(rng, "float32", shape)
        slopes = [fastsep.gradient(image, output=f"d{k}") for k in range(len(shape))]
        for axis in (0, -1, (0,), (1, 0), (-1, 0), [0, 1]):
            axes = {k % len(shape) for k in np.atleast_1d(axis)}
            dx, magnitude = fastsep.gradient(image, output=("dx", "magnitude"), axis=axis)
            assert_close(magnitude, np.sqrt(sum(slopes[k] ** 2 for k in axes)), image)
            assert same_bits(dx, slopes[-1])


@pytest.mark.slow
@pytest.mark.parametrize("channel_axis", [0, 1, 2, -1])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_channels_are_filtered_one_by_one(channel_axis, count, rng):
    for dtype in ("uint8", "float32") if count == 3 else ("float32",):
        planes = noise(rng, dtype, (count, 19, 23))
        image = np.moveaxis(planes, 0, channel_axis)
        for layout in (image, np.ascontiguousarray(image)):
            for way in WAYS:
                results = of_way(way, layout, output=ALL, channel_axis=channel_axis)
                for k, plane in enumerate(planes):
                    found = [np.moveaxis(result, channel_axis, 0)[k] for result in results]
                    expected = of_way(way, plane.copy(), output=ALL)
                    for result, value in zip(found[:3], expected, strict=False):
                        assert_close(result, value, np.ones(1))
                    assert_orientation(found[3], found[0], found[1])


def test_axis_counts_array_axes_beside_channels(rng):
    image = noise(rng, "float32", (3, 12, 13))
    result = fastsep.gradient(image, output="magnitude", channel_axis=0, axis=2)
    assert_close(result, np.abs(fastsep.gradient(image, output="dx", channel_axis=0)), image)
    lines = fastsep.gradient(image, output=("dx", "magnitude"), channel_axis=1)
    assert lines[0].shape == image.shape
    with pytest.raises(ValueError, match=r"`output`.*'dz'"):
        fastsep.gradient(image, output="dz", channel_axis=0)


# ---- dtype and out


@pytest.mark.slow
def test_dtype_is_that_of_every_result(rng):
    for source in ("uint8", "int16", "float64"):
        image = noise(rng, source)
        exact = fastsep.gradient(image, dtype="float64")
        for dtype in ("float32", "float16", ">f8"):
            for result, value in zip(fastsep.gradient(image, dtype=dtype), exact, strict=True):
                assert result.dtype == dtype
                tolerance = {"float16": 1e-3, "float32": 1e-6, ">f8": 0}[dtype]
                np.testing.assert_allclose(result.astype(float), value, rtol=0, atol=tolerance)


@ways
@pytest.mark.slow
def test_integer_results_are_rounded_and_saturated_on_the_own_scale(way, rng):
    image = noise(rng, "uint8")
    exact = of_way(way, image.astype("float64"), output=ALL[:3])
    for dtype in ("int16", "uint8", "int8", "int32", "int64"):
        info = np.iinfo(dtype)
        results = of_way(way, image, output=ALL, dtype=dtype)
        for result, value in zip(results, exact, strict=False):
            assert result.dtype == dtype
            # Half a step of rounding, and float32 arithmetic on values below 2**10.
            assert np.abs(result - value.clip(info.min, info.max)).max() <= 0.5 + 1e-3
        assert set(np.unique(results[3])) <= set(range(max(-3, info.min), 4))


@ways
def test_out_is_written_and_returned(way, rng):
    image = noise(rng, "float32")
    rows, cols = image.shape
    expected = of_way(way, image, output=ALL)
    memory = np.empty((4, rows, cols + 1), "float32")
    for outs in (
        tuple(np.full((4, rows, cols), 7, "float32")),
        [np.empty((cols, rows), "float32").T for _ in range(4)],
        tuple(memory[:, :, 1:]),
        (None, np.empty((2 * rows, cols), "float32")[::-2], None, np.empty((rows, cols), "float32")),
        (None,) * 4,
    ):
        for _ in range(2):
            results = of_way(way, image, output=ALL, out=outs)
            assert type(results) is tuple
            for result, out, value in zip(results, outs, expected, strict=True):
                assert out is None or result is out
                np.testing.assert_array_equal(result, value)


@pytest.mark.parametrize("way", ["sweep", *slow(*list(WAYS)[1:])])
def test_out_of_a_single_result(way, rng):
    image = noise(rng, "float32")
    _, dx, magnitude, _ = of_way(way, image, output=ALL)
    out = np.empty(image.shape, "float32")
    assert of_way(way, image, output="magnitude", out=out) is out
    np.testing.assert_array_equal(out, magnitude)
    assert of_way(way, image, output=("dx",), out=(out,))[0] is out
    np.testing.assert_array_equal(out, dx)


def test_a_float_out_settles_the_dtype(rng):
    image = noise(rng, "uint8")  # of which gradients are float64, if nothing else is asked for
    for dtype in ("float16", "float32", ">f4"):
        out = np.empty(image.shape, dtype)
        dy, dx = fastsep.gradient(image, out=(out, None))
        assert dx.dtype == dtype
        for result, value in zip((out, dx), fastsep.gradient(image, dtype=dtype), strict=True):
            np.testing.assert_array_equal(result, value)
        assert dy is out


@ways
def test_the_image_may_be_out(way, rng):
    for dtype in ("float32", "float64"):
        image = noise(rng, dtype)
        expected = of_way(way, image, output=ALL)
        for place in range(4):
            mine = image.copy()
            outs = [None] * 4
            outs[place] = mine
            results = of_way(way, mine, output=ALL, out=tuple(outs))
            assert results[place] is mine
            for result, value in zip(results, expected, strict=True):
                np.testing.assert_array_equal(result, value)
        memory = np.zeros((40, 41), dtype)
        memory[:29] = image
        results = of_way(way, memory[:29], output=ALL, out=(memory[11:], None, None, None))
        for result, value in zip(results, expected, strict=True):
            np.testing.assert_array_equal(result, value)


@ways
@pytest.mark.slow
def test_layout_does_not_change_a_bit(way, rng):
    for dtype in ("uint8", "int16", "float64"):
        image = noise(rng, dtype)
        expected = of_way(way, image, output=ALL)
        for layout, same in layouts(image).items():
            before = np.array(same)
            for result, value in zip(of_way(way, same, output=ALL), expected, strict=True):
                assert same_bits(result, value), layout
            assert np.array_equal(same, before), layout


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0,), (0, 3, 4)])
def test_empty_images_give_empty_results(shape):
    for dtype, expected in (("uint8", "float64"), ("float32", "float32")):
        for result in fastsep.gradient(np.empty(shape, dtype), "farid", sigma=1, output=("dx", "magnitude")):
            assert (result.shape, result.dtype) == (shape, expected)


# ---- the same bits


@ways
@pytest.mark.parametrize("dtype", ["float32", *slow("float64", "uint8")])
@pytest.mark.parametrize("shapes", [((160, 67), (97, 150), (3, 40)), *slow(((70, 31, 3),))])
@pytest.mark.usefixtures("small_images_go_parallel")
def test_the_number_of_workers_does_not_change_a_bit(way, shapes, dtype, rng):
    for shape in shapes:
        image = noise(rng, dtype, shape)
        options = {"output": ALL, "channel_axis": -1 if len(shape) == 3 else None}
        expected = of_way(way, image, workers=1, **options)
        for workers in (2, 3, 5, 8):
            outs = tuple(np.full_like(value, 77) for value in expected)
            of_way(way, image, workers=workers, out=outs, **options)
            assert all(map(same_bits, outs, expected)), (shape, workers)


@pytest.mark.parametrize("way", ["sweep", "smoothing, sweep", "smoothing, wide sweep", "smoothing, taps, polar"])
def test_a_piece_with_a_margin(way, rng):
    image = noise(rng, "float32", (90, 150))
    whole = of_way(way, image, output=ALL)
    margin = 8
    for top, left, height, width in ((13, 17, 31, 90), (20, 11, 5, 1), (11, 30, 2, 33), (30, 10, 50, 129)):
        piece = image[top - margin : top + height + margin, left - margin : left + width + margin].copy()
        for result, value in zip(of_way(way, piece, output=ALL), whole, strict=True):
            inner = np.ascontiguousarray(result[margin:-margin, margin:-margin])
            assert same_bits(inner, value[top : top + height, left : left + width].copy()), (top, left)


@pytest.mark.parametrize("sigma", [None, 1])
@pytest.mark.parametrize(
    ("source", "dtype", "channels"),
    [
        ("float32", "float32", ()),
        pytest.param("float32", "float32", (3,), marks=pytest.mark.slow),
        pytest.param("float32", "float64", (), marks=pytest.mark.slow),
        pytest.param("uint8", "uint8", (), marks=pytest.mark.slow),
    ],
)
def test_results_written_around_the_cache_are_the_same(source, dtype, channels, sigma, rng, monkeypatch):
    """Wherever they start: with, and without, a whole vector at the start of every row."""
    options = {"sigma": sigma, "dtype": dtype, "output": ALL, "channel_axis": -1 if channels else None}
    for shape in ((23, 320), (9, 128), (40, 512), (31, 129), (2, 192)):
        image = noise(rng, source, (*shape, *channels))
        results = []
        for limit in (1 << 60, 0):
            monkeypatch.setattr(tuning, "STREAM_RESULTS", limit)
            fastsep.clear_caches()
            for shift, workers in itertools.product((0, 1, 5, 64 // np.dtype(dtype).itemsize, 70), (1, 3)):
                memory = np.full((4, image.size + 200), 77, dtype)
                outs = tuple(row[shift : shift + image.size].reshape(image.shape) for row in memory)
                fastsep.gradient(image, out=outs, workers=workers, **options)
                results.append(np.stack(outs))
                assert (memory[:, :shift] == 77).all()
                assert (memory[:, shift + image.size :] == 77).all()
        assert all(same_bits(results[0], other) for other in results)
    fastsep.clear_caches()


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "function", [fastsep.sobel, fastsep.sobel_v, fastsep.laplace, fastsep.roberts, partial(fastsep.gaussian, sigma=0.6)]
)
def test_a_single_result_written_around_the_cache_is_the_same(function, dtype, rng, monkeypatch):
    """Wherever it starts, and whether or not its rows are whole vectors."""
    for shape in ((23, 320), (9, 128), (31, 129), (2, 192), (7, 16)):
        image = noise(rng, dtype, shape)
        results = []
        for limit in (1 << 60, 0):
            monkeypatch.setattr(tuning, "STREAM_RESULT", limit)
            fastsep.clear_caches()
            for shift, workers in itertools.product((0, 1, 64 // image.itemsize), (1, 3)):
                memory = aligned((image.size + 200,), image.dtype)
                memory[:] = 77
                out = memory[shift : shift + image.size].reshape(shape)
                function(image, out=out, workers=workers)
                results.append(out)
                assert (memory[:shift] == 77).all()
                assert (memory[shift + image.size :] == 77).all()
        assert all(same_bits(results[0], other) for other in results)
    fastsep.clear_caches()


def test_a_remembered_gradient_does_not_serve_another_call(rng):
    image = noise(rng, "float32")
    options = (
        {},
        {"operator": "scharr"},
        {"operator": "farid"},
        {"sigma": 1},
        {"sigma": (1, 2)},
        {"mode": "wrap"},
        {"mode": "constant"},
        {"mode": "constant", "cval": 1},
        {"output": ("dx", "magnitude")},
        {"output": ALL[::-1]},
    )

    def gradient(**options):
        return fastsep.gradient(image, **{"output": ALL} | options)

    first = [gradient(**each) for each in options]
    assert not any(map(np.array_equal, *zip(*itertools.combinations(first, 2), strict=True)))
    for each, expected in zip(options, first, strict=True):
        assert all(map(same_bits, gradient(**each), expected))
    for same in ({"sigma": np.float32(1)}, {"sigma": True}, {"sigma": [1, 1.0]}, {"sigma": np.ones(2)}):
        assert all(map(same_bits, gradient(**same), first[3]))


def test_lists_and_subclasses_are_taken_as_plain_arrays():
    values = [[1.0, 2.0, 4.0], [3.0, 5.0, 0.0]]
    expected = fastsep.gradient(np.array(values))
    for image in (values, np.array(values).view(np.recarray)):
        for result, value in zip(fastsep.gradient(image), expected, strict=True):
            assert type(result) is np.ndarray
            np.testing.assert_array_equal(result, value)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-12)])
def test_orientation_holds_where_sums_overflow_and_where_values_are_subnormal(dtype, tolerance):
    limits = np.finfo(dtype)
    sizes = [
        limits.max,
        0.7 * limits.max,
        0.5 * limits.max,
        limits.tiny,
        *(limits.smallest_subnormal * k for k in range(6)),
    ]
    values = np.array([*sizes, *(-np.array(sizes))], dtype)
    dy, dx = (np.ascontiguousarray(grid) for grid in np.meshgrid(values, values))
    expected = np.arctan2(dy.astype(np.float64), dx.astype(np.float64))
    np.testing.assert_allclose(gradient.orientation(dy, dx, 1), expected, rtol=0, atol=tolerance)

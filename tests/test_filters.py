"""Every filter against the oracle, SciPy and scikit-image: dtypes, modes, axes, layouts."""

import inspect
from itertools import pairwise

import numpy as np
import pytest
import reference
import scipy.ndimage as ndi
from cases import edge_filters
from helpers import MODES, layouts, make_image, noise, same_bits, slow
from reference import assert_close

import fastsep
from fastsep import _call, filters
from fastsep._plan import operators
from fastsep._plan.spec import Box, Roberts

skimage_filters = pytest.importorskip("skimage.filters")
skimage_util = pytest.importorskip("skimage.util")

IMAGE_DTYPES = ("uint8", "uint16", "int16", "float32", "float64")
# An operator that scikit-image lacks is compared with the oracle alone.
EDGES = tuple(name for name in operators.EDGES if hasattr(skimage_filters, name))

# name: arguments, and the same filter of a 2-D image as the oracle takes it
CASES = {
    "gaussian": ({"sigma": (1.3, 0.6)}, operators.gaussian((1.3, 0.6), (0, 0), 4.0)),
    "difference_of_gaussians": (
        {"low_sigma": 0.7, "high_sigma": (1.5, 2)},
        operators.difference_of_gaussians((0.7, 0.7), (1.5, 2.0), 4.0),
    ),
    "unsharp_mask": (
        {"radius": 1.2, "amount": 1.5, "preserve_range": True},
        operators.unsharp((1.2, 1.2), 1.5, 4.0, None),
    ),
    "box": ({"size": (4, 3)}, Box((4, 3))),
    "laplace": ({}, operators.laplace(2)),
    **{name: ({}, what) for name, what in edge_filters().items()},
    "roberts": ({}, Roberts("magnitude")),
    "roberts_pos_diag": ({}, Roberts("pos_diag")),
    "roberts_neg_diag": ({}, Roberts("neg_diag")),
}
SKIMAGE_NAMES = sorted(name for name in CASES if hasattr(skimage_filters, name))
PRESERVES_RANGE = ("box", "unsharp_mask")  # with the arguments above


def as_float(image):
    """On the scale of the default result, in float64."""
    return skimage_util.img_as_float(image).astype(float)


def test_the_cases_cover_every_public_filter():
    assert set(CASES) == set(filters.__all__)


@pytest.mark.parametrize("operator", EDGES)
def test_an_operator_has_all_the_names_that_scikit_image_gives_it(operator):
    assert {operator, f"{operator}_h", f"{operator}_v"} <= set(filters.__all__)


@pytest.mark.parametrize("dtypes", [IMAGE_DTYPES[3:], *slow(IMAGE_DTYPES[:3])])
@pytest.mark.parametrize("name", sorted(CASES))
def test_agrees_with_the_oracle_in_every_mode(name, dtypes, rng):
    arguments, what = CASES[name]
    for mode in MODES:
        for dtype in dtypes:
            image = noise(rng, dtype)
            cval = 0.25 if mode == "constant" else 0.0
            result = getattr(fastsep, name)(image, mode=mode, cval=cval, **arguments)
            values = image.astype(float) if name in PRESERVES_RANGE else as_float(image)
            expected = reference.exact(what, values, modes=(mode, mode), cval=cval)
            assert result.dtype == ("float32" if dtype == "float32" else "float64")
            assert_close(result, expected, values)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CASES))
def test_an_integer_result_is_the_rounded_and_saturated_value_on_the_own_scale(name, rng):
    arguments, what = CASES[name]
    image = noise(rng, "uint8")
    for dtype in ("uint8", "int16"):
        result = getattr(fastsep, name)(image, mode="nearest", dtype=dtype, **arguments)
        expected = reference.exact(what, image, modes=("nearest", "nearest"))
        if name == "unsharp_mask":
            expected = expected.clip(0, 255)
        assert result.dtype == dtype
        assert_close(result, expected, image)


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint64", "float16", "longdouble", ">f4", *slow("int8")])
def test_other_result_dtypes_are_rounded_and_saturated_too(dtype, rng):
    image = noise(rng, "float64") * 300
    result = fastsep.laplace(image, dtype=dtype)
    expected = reference.exact(operators.laplace(2), image, modes=("reflect", "reflect"))
    assert result.dtype == dtype
    if result.dtype.kind == "f":
        np.testing.assert_allclose(result.astype(float), expected, rtol=1e-3, atol=1e-1 if dtype == "float16" else 1e-3)
    else:
        info = np.iinfo(dtype)
        assert np.abs(result.astype(float) - expected.clip(info.min, info.max)).max() <= 0.5 + 1e-9


def test_values_beyond_the_largest_integers_saturate():
    image = np.array([-1e30, -1.0, 1e30])
    for dtype in ("int32", "uint32", "int64", "uint64"):
        info = np.iinfo(dtype)
        expected = [info.min, max(-1, info.min), info.max]
        assert fastsep.gaussian(image, 0, dtype=dtype).tolist() == expected


# ---- scikit-image


@pytest.mark.parametrize("name", SKIMAGE_NAMES)
def test_signature_extends_that_of_scikit_image(name):
    ours = inspect.signature(getattr(fastsep, name)).parameters
    theirs = inspect.signature(getattr(skimage_filters, name)).parameters
    for parameter in theirs.values():
        assert (ours[parameter.name].kind, ours[parameter.name].default) == (
            parameter.kind,
            parameter.default,
        )
    positional = [p.name for p in ours.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == [p.name for p in theirs.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    added = set(ours) - set(theirs)
    assert {"mode", "cval", "channel_axis", "out", "dtype", "workers"} <= set(ours)
    assert all(ours[p].kind is inspect.Parameter.KEYWORD_ONLY for p in added)


@pytest.mark.slow
@pytest.mark.parametrize("name", SKIMAGE_NAMES)
@pytest.mark.parametrize(
    "dtype",
    ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint64", "float16", "float32", ">f8"],
)
def test_agrees_with_scikit_image_on_every_dtype(name, dtype, rng):
    image = noise(rng, dtype)
    arguments = {"low_sigma": 1} if name == "difference_of_gaussians" else {}
    expected = getattr(skimage_filters, name)(image, **arguments)
    result = getattr(fastsep, name)(image, **arguments)
    assert result.dtype == expected.dtype.newbyteorder("=")
    assert_close(result, expected, as_float(image))


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("shape", [(31,), (13, 17), (7, 8, 9), (5, 4, 6, 7)])
def test_edge_operators_agree_with_scikit_image_over_axes(name, shape, rng):
    image = noise(rng, "float64", shape)
    ndim = len(shape)
    axes = [None, *range(ndim), (0,), tuple(range(ndim)), (ndim - 1, 0)][: 3 + ndim * (ndim > 1)]
    for axis in axes:
        for mode in ("reflect", "constant"):
            expected = getattr(skimage_filters, name)(image, axis=axis, mode=mode, cval=0.7)
            assert_close(getattr(fastsep, name)(image, axis=axis, mode=mode, cval=0.7), expected, image)


def test_a_negative_axis_counts_from_the_back(rng):
    image = noise(rng, "float64", (6, 7, 8))
    for axis in range(3):
        np.testing.assert_array_equal(fastsep.sobel(image, axis=axis - 3), fastsep.sobel(image, axis=axis))


@pytest.mark.parametrize("name", [*EDGES, "laplace", "roberts", "farid_h", "sobel_v"])
def test_mask_agrees_with_scikit_image(name, rng):
    image = noise(rng, "float32")
    mask = rng.random(image.shape) < 0.95
    expected = getattr(skimage_filters, name)(image, mask=mask)
    assert_close(getattr(fastsep, name)(image, mask=mask), expected, image)


@pytest.mark.parametrize("preserve_range", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "float32", *slow("int16")])
def test_unsharp_mask_clips_to_the_range_that_the_sign_of_the_image_gives(dtype, preserve_range, rng):
    for image in (
        noise(rng, dtype),
        np.abs(noise(rng, dtype).astype("float64")).clip(0, 32767).astype(dtype),
    ):
        expected = skimage_filters.unsharp_mask(image, 2, 3, preserve_range)
        result = fastsep.unsharp_mask(image, 2, 3, preserve_range)
        assert_close(result, expected, image)


@pytest.mark.parametrize("name", [*EDGES, "gaussian", "laplace", "roberts"])
def test_nan_and_inf_reach_as_far_as_in_scikit_image(name, rng):
    image = noise(rng, "float64")
    image[4, 5], image[12, 20] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        expected = getattr(skimage_filters, name)(image)
    result = getattr(fastsep, name)(image)
    np.testing.assert_array_equal(np.isfinite(result), np.isfinite(expected))
    np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))


def test_unsharp_mask_finds_the_sign_of_an_image_with_nan(rng):
    for lowest in (-0.5, 0.0):
        image = rng.random((9, 10)) + lowest
        image[4, 5] = np.nan
        expected = skimage_filters.unsharp_mask(image, 1, 3)
        assert_close(fastsep.unsharp_mask(image, 1, 3), expected, image)


# ---- SciPy


@pytest.mark.parametrize("shape", [(23, 37), (7, 12, 19)])
@pytest.mark.parametrize("mode", MODES)
def test_derivatives_of_scipy_are_multiples_of_these(mode, shape, rng):
    """By the sums of its smoothing taps along the other axes; its Laplacian has the other sign."""
    image = noise(rng, "float64", shape)
    for axis in range(len(shape)):
        for name, weight in (("sobel", 4), ("prewitt", 3)):
            expected = getattr(ndi, name)(image, axis, mode=mode)
            result = weight ** (len(shape) - 1) * getattr(fastsep, name)(image, axis=axis, mode=mode)
            assert_close(result, expected, weight ** (len(shape) - 1) * image)
    assert_close(-fastsep.laplace(image, mode=mode), ndi.laplace(image, mode=mode), image)


@pytest.mark.parametrize("mode", [*MODES, "grid-wrap", ("wrap", "constant"), ["mirror", "nearest"]])
@pytest.mark.parametrize("order", [0, 1, 2, 3, (0, 2), [1, 0]])
def test_gaussian_of_any_order_agrees_with_scipy(order, mode, rng):
    image = noise(rng, "float64")
    options = {"order": order, "mode": mode, "cval": 0.3}
    expected = ndi.gaussian_filter(image, (1.4, 0.8), **options)
    assert_close(fastsep.gaussian(image, (1.4, 0.8), **options), expected, image)


@pytest.mark.parametrize("mode", [*MODES, ("constant", "reflect")])
def test_separable_filter_is_correlate1d_along_each_axis(mode, rng):
    image = noise(rng, "float64")
    modes = (mode, mode) if isinstance(mode, str) else mode
    for lines in [
        ([1, 2, 3], [-1, 0, 2, 4]),
        (None, rng.random(7)),
        (np.arange(2.0), None),
        (rng.random(41), [2]),
    ]:
        expected = image
        for axis, line in enumerate(lines):
            if line is not None:
                expected = ndi.correlate1d(expected, line, axis, mode=modes[axis], cval=2.0)
        largest = np.prod([1 if line is None else np.abs(line).sum() for line in lines])
        result = fastsep.separable_filter(image, lines, mode=mode, cval=2.0)
        assert_close(result, expected, largest * 2.0)


def test_one_line_of_taps_serves_every_axis(rng):
    image = noise(rng, "float32", (5, 6, 7))
    expected = fastsep.separable_filter(image, [np.array([1, 2, 1])] * 3)
    np.testing.assert_array_equal(fastsep.separable_filter(image, [1, 2, 1]), expected)
    np.testing.assert_array_equal(fastsep.separable_filter(image, np.float32([1, 2, 1])), expected)


def test_no_taps_at_all_leave_the_image_as_it_is(rng):
    image = noise(rng, "uint8")
    np.testing.assert_array_equal(fastsep.separable_filter(image, (None, None), dtype="uint8"), image)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_integer_taps_on_integers_are_exact(dtype, rng):
    image = noise(rng, dtype)
    lines = [rng.integers(-9, 9, 6), rng.integers(-9, 9, 5)]
    expected = ndi.correlate1d(ndi.correlate1d(image.astype("int64"), lines[0], 0), lines[1], 1).clip(-32768, 32767)
    np.testing.assert_array_equal(fastsep.separable_filter(image, lines, dtype="int16"), expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [1, 2, 3, 8, (5, 1), (4, 61)])
def test_box_agrees_with_uniform_filter(size, mode, rng):
    image = noise(rng, "float64")
    expected = ndi.uniform_filter(image, size, mode=mode, cval=0.4)
    assert_close(fastsep.box(image, size, mode=mode, cval=0.4), expected, image)


# ---- layouts


@pytest.mark.parametrize("dtype", ["float32", "float64", *slow("uint8", "int16")])
@pytest.mark.parametrize("name", ["gaussian", "sobel", "box", "roberts", "unsharp_mask"])
def test_layout_does_not_change_a_bit(name, dtype, rng):
    image = noise(rng, dtype)
    arguments = CASES[name][0]
    expected = getattr(fastsep, name)(image, **arguments)
    for layout, same in layouts(image).items():
        result = getattr(fastsep, name)(same, **arguments)
        np.testing.assert_array_equal(result, expected, err_msg=layout)
        assert np.array_equal(same, image), layout


def test_converted_dtypes_keep_their_values(rng):
    half = noise(rng, "float16")
    np.testing.assert_array_equal(fastsep.sobel(half), fastsep.sobel(half.astype("float32")))
    flags = noise(rng, "bool")
    np.testing.assert_array_equal(fastsep.box(flags, 3), fastsep.box(flags.astype("uint8"), 3))
    small = noise(rng, "int8")
    np.testing.assert_array_equal(fastsep.box(small, 3), fastsep.box(small.astype("int16"), 3))
    large = noise(rng, "int64") >> 12
    np.testing.assert_array_equal(fastsep.box(large, 3), fastsep.box(large.astype("float64"), 3))


# ---- channels


@pytest.mark.parametrize("name", sorted(CASES))
@pytest.mark.parametrize("channel_axis", [0, 1, 2, -1])
def test_channels_are_filtered_one_by_one(name, channel_axis, rng):
    image = noise(rng, "float32", (11, 12, 13))
    arguments = CASES[name][0]
    planes = [getattr(fastsep, name)(plane, **arguments) for plane in np.moveaxis(image, channel_axis, 0)]
    expected = np.stack(planes, axis=channel_axis)
    result = getattr(fastsep, name)(image, channel_axis=channel_axis, **arguments)
    assert_close(result, expected, image)
    out = np.empty_like(image)
    assert getattr(fastsep, name)(image, channel_axis=channel_axis, out=out, **arguments) is out
    np.testing.assert_array_equal(out, result)


@pytest.mark.parametrize("sigma", [(1, 2, 0), (1, 2, 0.8), [1, 2], 1.5])
def test_gaussian_takes_a_sigma_per_spatial_or_per_array_axis(sigma, rng):
    image = noise(rng, "float64", (12, 13, 3))
    expected = skimage_filters.gaussian(image, sigma, channel_axis=-1)
    assert_close(fastsep.gaussian(image, sigma, channel_axis=-1), expected, image)


def test_axis_counts_array_axes_beside_channels(rng):
    image = noise(rng, "float64", (3, 12, 13))
    result = fastsep.sobel(image, axis=2, channel_axis=0)
    np.testing.assert_array_equal(result, fastsep.sobel_v(image, channel_axis=0))
    assert_close(result[1], fastsep.sobel(image[1], axis=1), image)


def test_a_mask_of_the_spatial_shape_serves_every_channel(rng):
    image = noise(rng, "float32", (12, 13, 3))
    mask = rng.random((12, 13)) < 0.9
    result = fastsep.sobel(image, mask, channel_axis=2)
    assert_close(result[..., 1], fastsep.sobel(image[..., 1].copy(), mask), image)


# ---- border values


@pytest.mark.parametrize("cval", [0, 1, 128 / 255, 0.3, -2.0, np.nan, np.inf])
def test_a_border_value_that_the_image_could_not_hold_is_kept(cval, rng):
    image = noise(rng, "uint8")
    result = fastsep.gaussian(image, 1, mode="constant", cval=cval)
    expected = skimage_filters.gaussian(image, 1, mode="constant", cval=cval)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12)
    rounded = fastsep.box(image, 3, mode="constant", cval=1.5, dtype="uint8")
    assert_close(rounded, ndi.uniform_filter(image.astype(float), 3, mode="constant", cval=1.5), image)


def test_nan_beyond_the_border_of_a_derivative_stays_beside_it(rng):
    image = noise(rng, "float32")
    result = fastsep.separable_filter(image, [[1, 2, 1], [-1, 0, 1]], mode="constant", cval=np.nan)
    inner = np.zeros(image.shape, bool)
    inner[1:-1, 1:-1] = True
    np.testing.assert_array_equal(np.isnan(result), ~inner)


# ---- out


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_out_is_written_and_returned(dtype, rng):
    image = noise(rng, "uint8")
    expected = fastsep.sobel(image, dtype=dtype)
    shape = image.shape
    for out in (
        np.empty(shape, dtype),
        np.empty(shape[::-1], dtype).T,
        np.empty((2 * shape[0], shape[1]), dtype)[::-2],
    ):
        for _ in range(2):  # the second call goes the short way
            out[...] = 7
            assert fastsep.sobel(image, dtype=dtype, out=out) is out
            np.testing.assert_array_equal(out, expected)


def test_a_float_out_settles_the_dtype(rng):
    image = noise(rng, "uint8")
    for dtype in ("float16", "float32", "float64", ">f4"):
        out = np.empty(image.shape, dtype)
        fastsep.gaussian(image, out=out)
        np.testing.assert_array_equal(out, fastsep.gaussian(image, dtype=dtype))


@pytest.mark.parametrize("dtype", ["float32", *slow("uint8")])
@pytest.mark.parametrize("name", sorted(CASES))
def test_the_image_may_be_out(name, dtype, rng):
    arguments = CASES[name][0]
    image = noise(rng, dtype)
    expected = getattr(fastsep, name)(image, dtype=dtype, **arguments)
    getattr(fastsep, name)(image, dtype=dtype, out=image, **arguments)
    np.testing.assert_array_equal(image, expected)


def test_out_may_overlap_the_image(rng):
    memory = noise(rng, "float64", (20, 9))
    image = memory[:15].copy()
    for out in (memory[5:], memory[:15][::-1]):
        memory[:15] = image
        fastsep.gaussian(memory[:15], out=out)
        np.testing.assert_array_equal(out, fastsep.gaussian(image))


# ---- remembered preparations


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("box", {"size": 3}),
        ("separable_filter", {"taps": [1] * 11}),
        ("correlate", {"kernel": [[0, 1], [2, 0]]}),
        ("convolve", {"kernel": [[0, 1], [2, 0]]}),
        pytest.param("gaussian_gradient_magnitude", {"sigma": 1}, marks=pytest.mark.slow),
        pytest.param("gaussian_laplace", {"sigma": 1}, marks=pytest.mark.slow),
        ("gradient", {"output": "magnitude"}),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", *slow("int16", "int64")])
def test_an_integer_out_settles_the_dtype_where_scikit_image_has_no_say(name, arguments, dtype, rng):
    image = make_image(rng, "uint8", (19, 23))
    expected = getattr(fastsep, name)(image, dtype=dtype, **arguments)
    out = np.empty(image.shape, dtype)
    assert getattr(fastsep, name)(image, out=out, **arguments) is out
    assert same_bits(out, expected)
    out = np.empty((23, 19), dtype).T
    np.testing.assert_array_equal(getattr(fastsep, name)(image, out=out, **arguments), expected)


@pytest.mark.slow
def test_integer_outs_settle_the_dtype_of_a_gradient(rng):
    image = make_image(rng, "uint8", (19, 23))
    outs = (np.empty(image.shape, "int16"), np.empty(image.shape, "int16"))
    fastsep.gradient(image, out=outs)
    for out, expected in zip(outs, fastsep.gradient(image, dtype="int16"), strict=True):
        assert same_bits(out, expected)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int32", "float16", "float32", "float64", ">f4", *slow("int8", "int16", ">i2")]
)
def test_a_call_like_an_earlier_one_gives_the_same(dtype, rng):
    """It goes a shorter way, where images that need a conversion must not go."""
    image = noise(rng, dtype, (19, 23))
    calls = [
        lambda: fastsep.gaussian(image, 1, mode="constant", cval=0.3),
        # From floats to integers leads a kernel of its own.
        lambda: fastsep.box(image, 3, mode="constant", cval=1.5, dtype=dtype if dtype == "uint8" else None),
        lambda: fastsep.sobel(image),
        lambda: fastsep.gradient(image, output="magnitude"),
        lambda: np.stack(fastsep.gradient(image, dtype="float32" if dtype == "uint8" else None)),
        lambda: np.stack(fastsep.structure_tensor(image)),
        lambda: fastsep.corner_harris(image),
        lambda: fastsep.canny(image),
        lambda: fastsep.apply_hysteresis_threshold(image, 0.2, 0.5),
        lambda: fastsep.correlate_bank(image, np.ones((2, 3, 3)), mode="constant", cval=0.5),
        lambda: fastsep.correlate(image, [[0, 1], [2, 0]], mode="constant", cval=0.5),
    ]
    fastsep.clear_caches()
    for first, call in zip([call() for call in calls], calls, strict=True):
        assert same_bits(call(), first)


def test_a_remembered_plan_does_not_serve_another_call(rng):
    image = noise(rng, "float64")
    plain = fastsep.gaussian(image, 1)
    variants = [
        fastsep.gaussian(image, 2),
        fastsep.gaussian(image, 1, order=1),
        fastsep.gaussian(image, 1, mode="wrap"),
        fastsep.gaussian(image, 1, mode="constant"),
        fastsep.gaussian(image, 1, mode="constant", cval=1),
        fastsep.gaussian(image, 1, truncate=1),
        fastsep.gaussian(image.T.copy(), 1).T,
        fastsep.laplace(image),
        plain,
    ]
    assert not any(np.array_equal(a, b) for a, b in pairwise(variants[:6]))
    np.testing.assert_array_equal(plain, fastsep.gaussian(image, True))
    np.testing.assert_array_equal(plain, fastsep.gaussian(image, [1.0, 1]))
    with pytest.raises(TypeError, match="cval"):
        fastsep.gaussian(image, 1, mode="constant", cval=0j)


def test_remembered_plans_do_not_grow_without_limit(rng):
    image = noise(rng, "float64", (4, 4))
    for i in range(2 * _call._calls.most):
        fastsep.gaussian(image, 0.5, cval=i)
    assert len(_call._calls) <= _call._calls.most


# ---- the rest


@pytest.mark.parametrize("name", sorted(CASES))
def test_empty_images_give_empty_results(name):
    arguments = CASES[name][0]
    for shape in ((0, 5), (5, 0), (0, 0)):
        for dtype, expected in (("uint8", "float64"), ("float32", "float32")):
            result = getattr(fastsep, name)(np.empty(shape, dtype), **arguments)
            assert (result.shape, result.dtype) == (shape, expected)


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_number_of_workers_does_not_change_a_bit(name, rng):
    image = noise(rng, "float32", (130, 67))
    arguments = CASES[name][0]
    expected = getattr(fastsep, name)(image, workers=1, **arguments)
    for workers in (2, 3, None):
        np.testing.assert_array_equal(getattr(fastsep, name)(image, workers=workers, **arguments), expected)


def test_subclasses_and_lists_are_taken_as_plain_arrays():
    values = [[1, 2], [3, 5]]
    assert type(fastsep.box(np.array(values).view(np.recarray), 2)) is np.ndarray
    np.testing.assert_array_equal(fastsep.box(values, 2), fastsep.box(np.array(values), 2))

"""`fastsep.ndimage` gives what `scipy.ndimage` does."""

import numpy as np
import pytest
from helpers import slow
from scipy import ndimage as theirs

import fastsep
from fastsep import ndimage as ours

MODES = ("reflect", "constant", "nearest", "mirror", "wrap", "grid-mirror", "grid-constant", "grid-wrap")
WEIGHTS = [[1.5, -2.0, 0.0], [0.25, 4.0, 1.0]]
CROSS = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]

#: (function, options): linear filters of a plane.
LINEAR = [
    ("correlate1d", {"weights": [1, 2, 4], "origin": 1}),
    ("correlate1d", {"weights": [1, -2, 3, 5], "axis": 0, "origin": -2}),
    ("convolve1d", {"weights": [1, 2, 4, 8], "origin": 1}),
    ("correlate", {"weights": WEIGHTS, "origin": (0, -1)}),
    ("correlate", {"weights": [1, 2, 3], "axes": 0}),
    ("correlate", {"weights": np.outer([1, 2, 3], [1, -1])}),
    ("convolve", {"weights": WEIGHTS, "origin": (-1, 1)}),
    ("gaussian_filter1d", {"sigma": 1.5, "axis": 0, "order": 1}),
    ("gaussian_filter1d", {"sigma": 2, "radius": 3}),
    ("gaussian_filter", {"sigma": 2}),
    ("gaussian_filter", {"sigma": (1, 0), "truncate": 2}),
    ("gaussian_filter", {"sigma": (1, 2), "axes": (1, 0), "order": (2, 1), "radius": (3, 4)}),
    ("uniform_filter1d", {"size": 4, "axis": 0, "origin": -2}),
    ("uniform_filter", {"size": 5}),
    ("uniform_filter", {"size": (30, 3)}),
    ("uniform_filter", {"size": (4, 3), "origin": (1, -1)}),
    ("uniform_filter", {"size": 3, "axes": -1}),
    ("sobel", {}),
    ("sobel", {"axis": 0}),
    ("prewitt", {}),
    ("laplace", {}),
    ("laplace", {"axes": (0,)}),
    ("laplace", {"axes": ()}),
    ("gaussian_laplace", {"sigma": (1, 2)}),
    ("gaussian_laplace", {"sigma": 1, "axes": 1, "truncate": 3}),
    ("gaussian_gradient_magnitude", {"sigma": 1}),
    ("gaussian_gradient_magnitude", {"sigma": (1, 2), "axes": 0, "radius": 4}),
]  # fmt: skip
LINEAR_NAMES = [name for name, _ in LINEAR]
#: Filters that compare pixels.
ORDER = [
    ("minimum_filter1d", {"size": 4, "axis": 0, "origin": 1}),
    ("maximum_filter1d", {"size": 5, "origin": -2}),
    ("minimum_filter", {"size": (3, 4), "origin": (1, -2)}),
    ("maximum_filter", {"size": 3, "axes": 0}),
    ("maximum_filter", {"footprint": CROSS, "origin": (1, 0)}),
    ("minimum_filter", {"footprint": np.ones((3, 2))}),
    ("rank_filter", {"rank": -2, "size": 3}),
    ("rank_filter", {"rank": 1, "footprint": CROSS}),
    ("median_filter", {"size": 3}),
    ("median_filter", {"size": (4, 5), "origin": (-2, 1)}),
    ("median_filter", {"footprint": [1, 0, 1], "axes": 1}),
    ("percentile_filter", {"percentile": 30, "size": 3}),
    ("percentile_filter", {"percentile": -10, "footprint": CROSS}),
    ("percentile_filter", {"percentile": 100, "size": (2, 3)}),
    ("grey_erosion", {"size": 3}),
    ("grey_dilation", {"size": (4, 3), "origin": (-1, 1)}),
    ("grey_dilation", {"footprint": [[1, 1, 0, 1]], "origin": (0, 1)}),
    ("grey_dilation", {"structure": np.zeros((2, 3))}),
    ("grey_erosion", {"structure": [[1, 2, 1]]}),
    ("grey_opening", {"footprint": CROSS}),
    ("grey_closing", {"size": (2, 4)}),
    ("morphological_gradient", {"size": 3}),
    ("morphological_laplace", {"size": 3}),
    ("white_tophat", {"size": 3}),
    ("black_tophat", {"footprint": CROSS, "axes": (0, 1)}),
]  # fmt: skip

#: Of grey morphology.
GREY = (
    *("grey_erosion", "grey_dilation", "grey_opening", "grey_closing", "white_tophat", "black_tophat"),
    *("morphological_gradient", "morphological_laplace"),
)


def ids(case):
    return "-".join([case[0], *case[1]])


def taps(name, options):
    """How much larger than the image results may be."""
    response = np.abs(getattr(theirs, name)(np.pad([[1.0]], 40), **{**options, "mode": "constant"})).sum()
    return max(float(response), 1.0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", LINEAR, ids=ids)
def test_linear_filters_of_float64_are_the_same_to_rounding(case, mode, rng):
    name, options = case
    image = rng.standard_normal((23, 17))
    found = getattr(ours, name)(image, mode=mode, cval=2.5, **options)
    expected = getattr(theirs, name)(image, mode=mode, cval=2.5, **options)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14 * taps(name, options) * np.abs(image).max())


@pytest.mark.parametrize("case", LINEAR, ids=ids)
def test_linear_filters_of_float32_are_within_8_units_in_the_last_place(case, rng):
    name, options = case
    image = (1000 + rng.standard_normal((64, 70))).astype(np.float32)
    found = getattr(ours, name)(image, **options)
    expected = getattr(theirs, name)(image.astype(float), **options)
    assert found.dtype == np.float32
    limit = 8 * np.finfo(np.float32).eps * taps(name, options) * np.abs(image).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=limit)


@pytest.mark.parametrize("dtype", ["uint8", *slow("bool", "int8", "uint16", "int32", "uint64", ">i2")])
@pytest.mark.parametrize("case", [*LINEAR, *ORDER], ids=ids)
def test_integers_are_the_same_bit_for_bit(case, dtype, rng):
    name, options = case
    if dtype == "bool" and name.startswith("morphological"):
        pytest.skip("NumPy subtracts no bools")
    # No sum of squares leaves the dtype: the root of what is negative is no integer.
    largest = 1 if dtype == "bool" else 8 if name == "gaussian_gradient_magnitude" else 100
    image = rng.integers(0, largest, (23, 17), endpoint=True).astype(dtype)
    found, expected = (getattr(module, name)(image, **options) for module in (ours, theirs))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["uint8", "float32", *slow("int64", ">f8")])
@pytest.mark.parametrize("case", ORDER, ids=ids)
def test_filters_that_compare_pixels_are_exact(case, dtype, mode, rng):
    name, options = case
    image = rng.integers(0, 100, (23, 17)).astype(dtype)
    found, expected = (getattr(module, name)(image, mode=mode, cval=50, **options) for module in (ours, theirs))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.usefixtures("small_images_go_parallel")
@pytest.mark.parametrize("mode", ["mirror", "grid-constant", *slow("reflect", "constant", "nearest", "wrap")])
@pytest.mark.parametrize("name", ["grey_opening", *slow("grey_closing", "white_tophat", "black_tophat")])
def test_openings_of_several_bands(name, mode, rng):
    """Both windows run in one sweep, some rows at a time, unless they are taller than 16 rows."""
    windows = [
        {"size": 3}, {"size": (4, 3), "origin": (1, -1)}, {"footprint": [[0, 1, 1], [1, 1, 0]], "origin": (-1, 1)},
        {"structure": np.zeros((2, 5))}, {"size": (16, 2)}, {"size": (17, 2)},
    ]  # fmt: skip
    for options in windows:
        for dtype in ("uint8", "float32"):
            image = rng.integers(0, 200, (331, 75)).astype(dtype)
            found, expected = (getattr(module, name)(image, mode=mode, cval=50, **options) for module in (ours, theirs))
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["grey_opening", "grey_closing", "white_tophat", "black_tophat"])
@pytest.mark.parametrize("options", [{"size": [3, 4]}, {"size": np.array([2, 5]), "origin": [0, -2]}])
def test_openings_take_lists_with_a_value_for_each_axis(name, options, rng):
    image = rng.integers(0, 200, (20, 30), np.uint8)
    np.testing.assert_array_equal(getattr(ours, name)(image, **options), getattr(theirs, name)(image, **options))


@pytest.mark.parametrize(
    ("options", "swept"),
    [
        ({"size": 16}, True),
        ({"size": 17}, False),
        ({"size": 3, "mode": "grid-wrap"}, False),
        ({"size": 3, "axes": 0}, False),
    ],
)
def test_which_openings_take_one_sweep(options, swept):
    told = str(fastsep.explain(ours.grey_opening, np.zeros((40, 50), np.uint8), **options))
    assert ("erosion" in told) == swept


@pytest.mark.parametrize("cval", [-3, 2.5, 300, np.nan])
def test_a_border_that_the_dtype_cannot_hold_is_that_of_scipy(cval, rng):
    image = rng.integers(0, 256, (9, 8), np.uint8)
    for output in (None, np.float64):
        options = {"size": 3, "mode": "constant", "cval": cval, "output": output}
        if output is None and cval != cval:
            continue  # NaN makes no defined integer
        np.testing.assert_array_equal(ours.minimum_filter(image, **options), theirs.minimum_filter(image, **options))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gaussian_filter", {"sigma": 1}),
        ("uniform_filter", {"size": 3}),
        ("sobel", {"axis": 0}),
        ("minimum_filter", {"size": 3}),
        ("gaussian_laplace", {"sigma": 1}),
        ("gaussian_gradient_magnitude", {"sigma": 1}),
        ("grey_closing", {"size": 3}),
    ],
)
@pytest.mark.parametrize("shape", [(7,), (5, 6, 7), (3, 4, 2, 5)])
def test_each_axis_may_have_its_own_mode(name, options, shape, rng):
    dtype = np.float64 if name in LINEAR_NAMES else np.float32  # where pixels are compared, precision is no question
    image = rng.standard_normal(shape).astype(dtype)
    mode = ("wrap", "constant", "mirror", "nearest")[: len(shape)]
    found, expected = (getattr(module, name)(image, mode=mode, cval=3, **options) for module in (ours, theirs))
    np.testing.assert_allclose(
        found, expected, rtol=0, atol=1e-13 * taps(name, {**options, "axis": 0} if name == "sobel" else options)
    )


@pytest.mark.parametrize("axes", [(0, 2), (2, 0), (1,), (-1, 0, 1)])
def test_other_axes_are_left_alone(axes, rng):
    image = rng.standard_normal((6, 7, 8))
    for name, options in (
        ("gaussian_filter", {"sigma": (1, 2, 1.5)[: len(axes)]}),
        ("uniform_filter", {"size": (2, 3, 4)[: len(axes)], "origin": (0, 1, -1)[: len(axes)]}),
        ("minimum_filter", {"size": (2, 3, 4)[: len(axes)], "mode": ("wrap", "nearest", "mirror")[: len(axes)]}),
        ("median_filter", {"size": (2, 3, 4)[: len(axes)]}),
        ("correlate", {"weights": np.arange(1.0, 2 ** len(axes) + 1).reshape((2,) * len(axes))}),
        ("gaussian_gradient_magnitude", {"sigma": 1}),
        ("laplace", {}),
    ):
        pixels = image if name in LINEAR_NAMES else image.astype(np.float32)
        found, expected = (getattr(module, name)(pixels, axes=axes, **options) for module in (ours, theirs))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", GREY)
@pytest.mark.parametrize("footprint", [None, np.ones((2, 3))])
def test_a_structure_of_zeros_has_its_axes_in_the_order_of_the_image(name, footprint, rng):
    image = rng.integers(0, 256, (8, 9), np.uint8)
    for origin in (0, (0, 1)):
        found, expected = (
            getattr(module, name)(image, structure=np.zeros((2, 3)), footprint=footprint, axes=(1, 0), origin=origin)
            for module in (ours, theirs)
        )
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", MODES[:5])
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (3, 2, 5)])
def test_windows_much_longer_than_an_axis(shape, mode, rng):
    image = rng.random(shape, np.float32)
    twice, long = 2 * shape[-1], 2**62
    options = {"mode": mode, "cval": 0.1}
    behind = theirs.minimum_filter1d(image, twice + 1, origin=-(twice // 2), **options)
    before = theirs.minimum_filter1d(image, twice + 1, origin=twice // 2, **options)
    for origin, expected in ((-(long // 2), behind), ((long - 1) // 2, before), (0, np.minimum(before, behind))):
        found = ours.minimum_filter1d(image, long, origin=origin, **options)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("axes", [(2, 0), (1, 2, 0), (0, 1, 2)])
def test_integers_are_cast_in_the_order_of_the_axes(axes, rng):
    image = rng.integers(0, 256, (9, 8, 7), np.uint8)
    for name, options in (("gaussian_filter", {"sigma": 1.3}), ("uniform_filter", {"size": (5, 4, 3)[: len(axes)]})):
        found, expected = (getattr(module, name)(image, axes=axes, **options) for module in (ours, theirs))
        np.testing.assert_array_equal(found, expected, err_msg=name)


@pytest.mark.parametrize(("dtype", "cval"), [("uint8", 3.7), ("uint8", -2.25), ("float32", 0.0)])
def test_means_equal_scipys_where_its_running_sums_round(dtype, cval, rng):
    image = (rng.random((30, 40)) * 200).astype(dtype)
    options = {"mode": "constant", "cval": cval, "output": np.uint8}
    for size in (4, 5):
        found, expected = (module.uniform_filter(image, size, **options) for module in (ours, theirs))
        np.testing.assert_array_equal(found, expected)


def test_passes_beyond_a_constant_border_come_in_the_order_of_scipy(rng):
    image = rng.standard_normal((9, 8, 7))
    for axis in range(3):
        found, expected = (module.sobel(image, axis, mode="constant", cval=7) for module in (ours, theirs))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("image", ["float32", "complex64", "complex128", *slow("int16")])
@pytest.mark.parametrize("weights", [[1, 2 + 1j, 3j], [1.0, -2.0, 0.5]])
@pytest.mark.parametrize("name", ["correlate1d", "convolve1d", "correlate", "convolve"])
def test_complex_images_and_weights(name, weights, image, rng):
    weights = np.array(weights)
    pixels = rng.standard_normal((9, 8)) * 100
    pixels = (pixels + 1j * pixels[::-1] if image.startswith("c") else pixels).astype(image)
    weights = weights if name.endswith("1d") else weights[None]
    cval = 2 + 3j if image.startswith("c") else 2
    options = {"mode": "constant", "cval": cval, "origin": -1 if name.endswith("1d") else (0, -1)}
    found, expected = (getattr(module, name)(pixels, weights, **options) for module in (ours, theirs))
    assert found.dtype == expected.dtype
    single = found.dtype in (np.float32, np.complex64)
    np.testing.assert_allclose(found, expected, rtol=0, atol=(1e-3 if single else 1e-10))


@pytest.mark.parametrize("name", ["gaussian_filter", "gaussian_laplace", "gaussian_gradient_magnitude"])
def test_complex_images_of_filters_with_real_taps(name, rng):
    image = rng.standard_normal((9, 8)) + 1j * rng.standard_normal((9, 8))
    found, expected = (getattr(module, name)(image, 1.5, mode="constant", cval=2 - 1j) for module in (ours, theirs))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


def test_a_nan_stays_within_the_window_of_uniform_filter():
    image = np.ones((40, 50), np.float32)
    image[20, 30] = np.nan
    found = ours.uniform_filter(image, (3, 5))
    assert np.isnan(found[19:22, 28:33]).all()
    assert np.count_nonzero(np.isnan(found)) == 15
    assert np.isnan(theirs.uniform_filter(image, (3, 5))).sum() > 15


@pytest.mark.slow
def test_integers_of_64_bits_come_through_unchanged():
    image = np.array([2**62 + 1, 2**62 + 3, 2**62 + 2, 2**62 + 5])
    np.testing.assert_array_equal(ours.minimum_filter(image, 3), image[[0, 0, 2, 2]])
    np.testing.assert_array_equal(ours.median_filter(image[None], (1, 3))[0, 1:3], image[[2, 1]])


def test_ranks_of_a_line_are_those_of_the_pixels_that_the_footprint_names(rng):
    line, footprint = rng.standard_normal(20).astype(np.float32), [1, 0, 1, 1, 1]
    for axes in (0, -1):
        found = ours.rank_filter(line, 1, footprint=footprint, axes=axes)
        np.testing.assert_array_equal(found, theirs.rank_filter(line[None], 1, footprint=[footprint])[0])


def test_generic_filters_call_derivatives_as_scipy_does(rng):
    image = rng.standard_normal((8, 9))
    calls = []

    def derivative(image, axis, output, mode, cval, factor, shift=0):
        calls.append((axis, mode, cval, isinstance(output, np.ndarray)))
        return theirs.correlate1d(image, [-factor, 0, factor + shift], axis, output, mode, cval)

    for name in ("generic_laplace", "generic_gradient_magnitude"):
        found, expected = (
            getattr(module, name)(
                image, derivative, mode=("wrap", "nearest"), cval=2, extra_arguments=(3,), extra_keywords={"shift": 1}
            )
            for module in (ours, theirs)
        )
        np.testing.assert_array_equal(found, expected)
        assert calls[: len(calls) // 2] == calls[len(calls) // 2 :]
        calls.clear()


def test_an_array_without_axes_is_copied(rng):
    assert ours.gaussian_filter(np.float64(3), 2) == 3
    assert ours.gaussian_filter(np.ones((0, 3)), 2).shape == (0, 3)
    assert ours.uniform_filter(np.ones((2, 0), np.float32)).dtype == np.float32


def test_the_number_of_threads_changes_no_bit(rng):
    image = rng.standard_normal((400, 500)).astype(np.float32)
    for name, options in (LINEAR[9], LINEAR[13], ORDER[8]):
        one, two = (getattr(ours, name)(image, workers=workers, **options) for workers in (1, 2))
        np.testing.assert_array_equal(one, two)


def test_explain_tells_how_filters_run():
    image = np.broadcast_to(np.float32(0), (480, 640))
    plan = fastsep.explain(ours.gaussian_filter, image, 3)
    assert (plan.function, plan.result, plan.halo) == ("gaussian_filter", np.float32, ((12, 12), (12, 12)))
    assert "erosion" in str(fastsep.explain(ours.grey_opening, image, 3))
    assert fastsep.explain(ours.gaussian_filter, image.astype(np.longdouble), 1).strategy == "scipy"
    plan = fastsep.explain(ours.generic_laplace, image, ours.sobel, output=np.float64)
    assert (plan.strategy, plan.result) == ("stages", np.float64)


def test_explain_counts_the_filters_of_all_complex_parts():
    image = np.broadcast_to(np.float32(0), (480, 640))
    one = fastsep.explain(ours.correlate1d, image, [1, 2, 3])
    for pixels, weights, count in ((image, [1, 2, 3j], 1), (image + 0j, [1, 2, 3], 2), (image + 0j, [1, 2, 3j], 2)):
        plan = fastsep.explain(ours.correlate1d, pixels, weights)
        assert (plan.dtype, plan.result, plan.strategy) == (pixels.dtype, np.complex64, "lines")
        assert plan.multiplications == count * one.multiplications
        assert plan.halo == one.halo
    assert fastsep.explain(ours.gaussian_gradient_magnitude, image + 0j, 1).strategy == "scipy"
    with pytest.raises(ValueError, match="cval"):
        fastsep.explain(ours.correlate1d, image, [1j], cval=1j)


def test_explain_says_that_comparisons_are_exact_and_have_no_taps():
    image = np.broadcast_to(np.float32(0), (480, 640))
    for function in (ours.minimum_filter, ours.median_filter):
        assert "error bound      none" in str(fastsep.explain(function, image, 3))
    assert fastsep.explain(ours.grey_opening, image, 3).multiplications is None


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("uniform_filter", (1,), {}),
        ("uniform_filter", (3,), {"axes": ()}),
        ("gaussian_filter", (0,), {}),
        ("gaussian_filter", (1,), {"axes": ()}),
        ("laplace", (), {"axes": ()}),
        ("gaussian_laplace", (1,), {"axes": ()}),
        ("gaussian_gradient_magnitude", (1,), {"axes": ()}),
    ],
)
@pytest.mark.parametrize("output", [None, np.uint8, np.float32])
def test_filters_that_do_nothing_leave_integers_of_64_bits_alone(name, arguments, options, output):
    image = np.array([[2**62 + 63, -(2**62) + 3, 5]])
    found, expected = (getattr(m, name)(image, *arguments, output=output, **options) for m in (ours, theirs))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
@pytest.mark.parametrize("name", ["correlate1d", "convolve1d", "correlate"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_weights_whose_sum_overflows_are_taken_as_scipy_takes_them(name, dtype):
    weights = np.full((3, 3) if name == "correlate" else 3, 1e308)
    image = np.array([[0, 0, 0, 1, 0, 0]] * 2, dtype)
    np.testing.assert_array_equal(*(getattr(module, name)(image, weights) for module in (ours, theirs)))

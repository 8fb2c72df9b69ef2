"""Promise: filters whose taps cancel are accurate on images that stand high, as elevations and temperatures do.

In float32 their error is at most 1e-6 of the image's range, largest minus smallest pixel, times the sum of the taps'
magnitudes. Sums of large pixels could not keep that: they are rounded to parts of the pixels, not of the range.
"""

import numpy as np
import pytest
import reference
from cases import edge_filters
from helpers import slow
from scipy import ndimage

import fastsep
from fastsep._plan import operators
from fastsep._plan.spec import Dense, Line, Roberts, Separable, Term

ROWS, COLS = np.indices((75, 210))
IMAGES = {
    "ripples of 0.01 on 300": 300 + 0.01 * np.sin(COLS / 17) * np.cos(ROWS / 23),
    "relief of 1 m at 4000 m": 4000 + np.random.default_rng(0).random(ROWS.shape),
    "Kelvin": 290 + 5 * np.sin(COLS / 40) + np.random.default_rng(1).normal(0, 0.01, ROWS.shape),
    "below zero": -1e5 - np.random.default_rng(2).random(ROWS.shape),
    "range from zero": np.random.default_rng(3).random(ROWS.shape),
}
INTEGERS = {
    "uint16": 40_000 + np.random.default_rng(4).integers(0, 12, ROWS.shape, np.uint16),
    "int16": -30_000 + np.random.default_rng(5).integers(0, 12, ROWS.shape, np.int16),
    "uint8": 250 + np.random.default_rng(6).integers(0, 5, ROWS.shape, np.uint8),
}

SLOPE, MEAN, ANY = (-1.0, 0.0, 1.0), (1.0, 2.0, 1.0), (-0.3, 0.1, 0.2)
WIDE_SLOPE, WIDE_MEAN = (-0.3, 0.0, 0.0, 0.0, 0.3), (0.2, 0.0, 0.3, 0.0, 0.2)
ZERO_SUM = np.random.default_rng(7).normal(size=(5, 7))
ZERO_SUM -= ZERO_SUM.mean()
# With zeros among its taps, and with taps whose sums down a column grow large.
HOLES = np.where(np.random.default_rng(9).random((7, 6)) < 0.3, 0.0, np.random.default_rng(10).normal(size=(7, 6)))
HOLES[HOLES != 0] -= HOLES[HOLES != 0].mean()
TALL = np.repeat([[1.0, 0.5], [-1.0, -0.5]], 9, axis=0) + np.outer(np.linspace(-0.1, 0.1, 18), [1.0, -0.3])
# Its two terms sum to numbers that are small beside their taps, and cancel each other.
TWO_ROWS = np.random.default_rng(0).normal(size=(2, 9))
TWO_ROWS -= TWO_ROWS.mean()
LARGE = np.random.default_rng(8).normal(size=(31, 31))
LARGE -= LARGE.mean()


def filtered(name, what, **arguments):
    return (lambda image, **options: getattr(fastsep, name)(image, **arguments, **options)), what


def separable(*lines):
    return filtered("separable_filter", operators.separable(lines), taps=lines)


def correlated(kernel, **arguments):
    return filtered("correlate", Dense(kernel, tuple(n // 2 for n in kernel.shape)), kernel=kernel, **arguments)


FILTERS = {
    **{name: filtered(name, what) for name, what in edge_filters().items()},
    "roberts": filtered("roberts", Roberts("magnitude")),
    "laplace": filtered("laplace", operators.laplace(2)),
    **{
        f"gaussian {order}": filtered("gaussian", operators.gaussian((2, 2), order, 4.0), sigma=2, order=order)
        for order in ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (2, 1), (0, 3))
    },
    "wide derivative": filtered("gaussian", operators.gaussian((9, 9), (0, 1), 4.0), sigma=9, order=(0, 1)),
    "gaussian_gradient_magnitude": filtered(
        "gaussian_gradient_magnitude", operators.gaussian_gradient_magnitude((1.5, 1.5), 4.0), sigma=1.5
    ),
    "gaussian_laplace": filtered("gaussian_laplace", operators.gaussian_laplace((1.5, 1.5), 4.0), sigma=1.5),
    "separable_filter": separable(MEAN, SLOPE),
    "separable_filter, five and three taps": separable((1.0, 2.0, 3.0, 2.0, 1.0), ANY),
    "separable_filter, any taps": separable(MEAN, ANY),
    "separable_filter, any taps along y": separable(ANY, MEAN),
    "separable_filter, second differences": separable((0.2, 0.6, 0.2), (0.3, -0.6, 0.3)),
    "separable_filter, zeros among antisymmetric taps": separable(MEAN, WIDE_SLOPE),
    "separable_filter, zeros among antisymmetric taps along y": separable(WIDE_SLOPE, MEAN),
    "separable_filter, zeros among symmetric taps": separable(WIDE_MEAN, SLOPE),
    "correlate": correlated(ZERO_SUM),
    "correlate, with zeros": correlated(HOLES, method="direct"),
    "correlate, tall": correlated(TALL, method="direct"),
    "correlate, separable": correlated(ZERO_SUM, method="separable"),
    "correlate, separable, two rows": correlated(TWO_ROWS, method="separable"),
    "correlate, separable, two columns": correlated(TWO_ROWS.T.copy(), method="separable"),
    "correlate, separable, with zeros": correlated(np.outer(MEAN, WIDE_SLOPE), method="separable"),
    "correlate, separable, with zeros along y": correlated(np.outer(WIDE_SLOPE, MEAN), method="separable"),
    "correlate, fft": correlated(LARGE, method="fft"),
}


def weight(what):
    """The sum of the taps' magnitudes, of a magnitude that of one derivative."""
    if isinstance(what, Roberts):
        return 1.0
    if isinstance(what, Dense):
        return float(np.abs(what.kernel).sum())
    terms = [np.prod([sum(map(abs, line.taps)) for line in term.lines if line]) for term in what.terms]
    return float(max(terms) if what.combine == "magnitude" else sum(terms))


def allowed(image, expected, weight):
    # The second derivative of a Gaussian that is cut off does not sum to zero: what is left of it smooths, and its
    # error goes with what it makes of the image.
    return 1e-6 * np.ptp(image.astype(float)) * weight + 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("mode", ["reflect", "nearest", "wrap"])
@pytest.mark.parametrize("place", IMAGES)
@pytest.mark.parametrize("name", FILTERS)
def test_float32_images(name, place, mode):
    run, what = FILTERS[name]
    image = IMAGES[place].astype(np.float32)
    expected = reference.exact(what, image, modes=(mode, mode))
    result = run(image, mode=mode)
    assert result.dtype == np.float32
    assert np.abs(result - expected).max() <= allowed(image, expected, weight(what))


#: The others, compiled for each dtype, take minutes.
QUICK = {("sobel", "uint8")}


def integers_in_float32(run, what, image, scale):
    expected = reference.exact(what, image, modes=("reflect",) * image.ndim, scale=scale)
    result = run(image, dtype=np.float32, mode="reflect")
    assert np.abs(result - expected).max() <= allowed(image, expected, weight(what)) * scale


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        pytest.param(name, dtype, marks=[pytest.mark.slow] * ((name, dtype) not in QUICK))
        for name in FILTERS
        for dtype in INTEGERS
    ],
)
def test_integers_in_float32(name, dtype):
    run, what = FILTERS[name]
    image = INTEGERS[dtype]
    never_rescaled = ("gaussian_", "separable", "correlate")
    scale = 1.0 if name.startswith(never_rescaled) else 1 / np.iinfo(dtype).max
    integers_in_float32(run, what, image, scale)


SIGNALS = {
    **{name: filtered(name, operators.edges(name, 1, (0,))) for name in operators.EDGES},
    **{f"gaussian {n}": filtered("gaussian", operators.gaussian((2,), (n,), 4.0), sigma=2, order=n) for n in (1, 2, 3)},
}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", SIGNALS)
def test_signals_of_integers_in_float32(name, dtype):
    """The scale is no part of the taps where these are the only ones."""
    integers_in_float32(*SIGNALS[name], INTEGERS[dtype][30], 1 / np.iinfo(dtype).max)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_integers_filtered_along_rows_alone_in_float32(order, dtype):
    what = operators.gaussian((0, 2), (0, order), 4.0)
    run, _ = filtered("gaussian", what, sigma=(0, 2), order=(0, order))
    integers_in_float32(run, what, INTEGERS[dtype], 1 / np.iinfo(dtype).max)


def constant_at_the_height_of_the_image(run, what, image, cval):
    expected = reference.exact(what, image, modes=("constant", "constant"), cval=cval)
    result = run(image, mode="constant", cval=cval)
    assert np.abs(result - expected).max() <= allowed(image, expected, weight(what))


@pytest.mark.parametrize("name", FILTERS)
def test_a_constant_border_at_the_height_of_the_image(name):
    constant_at_the_height_of_the_image(*FILTERS[name], IMAGES["ripples of 0.01 on 300"].astype(np.float32), 300.0)


@pytest.mark.parametrize(("low", "high"), [(1, 1.6), (2, 8), ((0, 1), (1.5, 3)), ((1, 2), (1, 3))])
@pytest.mark.parametrize("place", IMAGES)
def test_difference_of_gaussians(low, high, place):
    image = IMAGES[place].astype(np.float32)
    narrow, wide = (ndimage.gaussian_filter(image.astype(float), sigma, mode="nearest") for sigma in (low, high))
    result = fastsep.difference_of_gaussians(image, low, high)
    assert np.abs(result - (narrow - wide)).max() <= 1e-6 * np.ptp(image)


@pytest.mark.parametrize("operator", [*operators.OPERATORS, "gaussian"])
@pytest.mark.parametrize("sigma", [None, 1.5, (0.8, 2.5)])
@pytest.mark.parametrize("place", IMAGES)
def test_gradients(operator, sigma, place):
    image = IMAGES[place].astype(np.float32)
    names = ("dy", "dx", "magnitude", "orientation")  # one kernel for all; the last is left out
    expected = fastsep.gradient(image.astype(float), operator, sigma=sigma, output=names)
    results = fastsep.gradient(image, operator, sigma=sigma, output=names)
    for one, other in zip(results[:3], expected[:3], strict=True):
        assert np.abs(one - other).max() <= 2e-6 * np.ptp(image)  # two: the taps of a difference of neighbours


@pytest.mark.parametrize("order", ["rc", "xy"])
@pytest.mark.parametrize("sigma", [0, 1, (0.8, 2.5)])
@pytest.mark.parametrize("place", IMAGES)
def test_hessians_by_differences(place, sigma, order):
    image = IMAGES[place].astype(np.float32)
    blurred = ndimage.gaussian_filter(image.astype(float), sigma, mode="reflect")
    expected = [second for k in range(2) for second in np.gradient(np.gradient(blurred, axis=k), axis=(0, 1))[k:]]
    options = {"mode": "reflect", "use_gaussian_derivatives": False}
    results = fastsep.hessian_matrix(image, sigma, order=order, **options)
    for one, other in zip(results if order == "rc" else results[::-1], expected, strict=True):
        assert one.dtype == np.float32
        assert np.abs(one - other).max() <= 1e-6 * np.ptp(image)  # the taps' magnitudes sum to one, or four at an end


@pytest.mark.slow
@pytest.mark.parametrize("base", [300, 4000, -1e5])
def test_hessians_of_volumes_by_differences(base, rng):
    image = (base + rng.random((11, 14, 37))).astype(np.float32)
    options = {"mode": "reflect", "use_gaussian_derivatives": False}
    expected = fastsep.hessian_matrix(image.astype(float), **options)
    for one, other in zip(fastsep.hessian_matrix(image, **options), expected, strict=True):
        assert one.dtype == np.float32
        assert np.abs(one - other).max() <= 1e-6 * np.ptp(image)


LOW, HIGH = (1.0, 0.7, 1.2), (1.6, 2.0, 1.4)
VOLUMES = {
    **{name: filtered(name, operators.edges(name, 3, (0, 1, 2))) for name in operators.EDGES},
    **{f"sobel along axis {k}": filtered("sobel", operators.edges("sobel", 3, (k,)), axis=k) for k in range(3)},
    "laplace": filtered("laplace", operators.laplace(3)),
    "gaussian_laplace": filtered("gaussian_laplace", operators.gaussian_laplace(LOW, 4.0), sigma=LOW),
    "gaussian_gradient_magnitude": filtered(
        "gaussian_gradient_magnitude", operators.gaussian_gradient_magnitude(LOW, 4.0), sigma=LOW
    ),
    "difference_of_gaussians": filtered(
        "difference_of_gaussians", operators.difference_of_gaussians(LOW, HIGH, 4.0), low_sigma=LOW, high_sigma=HIGH
    ),
    **{
        f"gaussian {order}": filtered("gaussian", operators.gaussian(LOW, order, 4.0), sigma=LOW, order=order)
        for order in ((2, 0, 0), (0, 2, 0), (0, 0, 2), (0, 1, 2), (2, 1, 2), (0, 2, 2), (0, 0, 3))
    },
    "separable_filter, any taps": separable(MEAN, ANY, MEAN),
    "separable_filter, any taps along the depth": separable(ANY, MEAN, None),
    "separable_filter, even taps": separable(None, (0.5, 0.5), (0.3, -0.7, 0.5, -0.1)),
    "separable_filter, zeros among antisymmetric taps": separable(MEAN, WIDE_MEAN, WIDE_SLOPE),
}
# Farid's are computed in float64, and many others where the border is a constant.
IN_FLOAT32 = [*(name for name in VOLUMES if name != "farid"), *slow("farid")]
BORDERED = ("sobel", "scharr", "prewitt", "laplace", "difference_of_gaussians", "separable_filter, even taps")
CURVED = 300 + 0.01 * np.sin(np.indices((11, 14, 37))[2] / 17) * np.cos(np.indices((11, 14, 37))[0] / 5)


@pytest.mark.parametrize("mode", ["reflect", "wrap"])
@pytest.mark.parametrize("base", [300, 4000, -1e5, None])
@pytest.mark.parametrize("name", IN_FLOAT32)
def test_volumes(name, base, mode, rng):
    run, what = VOLUMES[name]
    image = (CURVED if base is None else base + rng.random(CURVED.shape)).astype(np.float32)
    expected = reference.exact(what, image, modes=(mode,) * 3)
    assert np.abs(run(image, mode=mode) - expected).max() <= allowed(image, expected, weight(what))


@pytest.mark.parametrize("name", [*BORDERED, *slow(*(name for name in VOLUMES if name not in BORDERED))])
def test_volumes_in_a_constant_border_at_their_height(name):
    run, what = VOLUMES[name]
    image = CURVED.astype(np.float32)
    expected = reference.exact(what, image, modes=("constant",) * 3, cval=300.0)
    result = run(image, mode="constant", cval=300.0)
    # Where each pass sees the constant itself, those behind a difference see a step of its height.
    error = 1e-6 * (300 if getattr(what, "chained", False) else np.ptp(image)) * weight(what)
    assert np.abs(result - expected).max() <= error + 1e-6 * np.abs(expected).max()


@pytest.mark.parametrize("name", IN_FLOAT32)
def test_nan_and_infinity_in_volumes_reach_no_further_than_the_taps(name, rng):
    run, what = VOLUMES[name]
    image = (300 + rng.random((21, 24, 57))).astype(np.float32)
    image[10, 12, 30], image[0, 0, 0], image[20, 5, 56] = np.nan, -np.inf, np.inf
    expected = reference.exact(what, image, modes=("reflect",) * 3)
    np.testing.assert_array_equal(np.isfinite(run(image, mode="reflect")), np.isfinite(expected))


def test_rows_of_volumes_that_are_filtered_in_pieces(rng):
    image = (300 + rng.random((2, 5, 9000))).astype(np.float32)
    for name in ("sobel", "gaussian_laplace"):
        run, what = VOLUMES[name]
        expected = reference.exact(what, image, modes=("wrap",) * 3)
        assert np.abs(run(image, mode="wrap") - expected).max() <= allowed(image, expected, weight(what))


def test_four_axes(rng):
    image = (4000 + rng.random((5, 6, 7, 9))).astype(np.float32)
    what = operators.edges("sobel", 4, (0, 1, 2, 3))
    expected = reference.exact(what, image, modes=("reflect",) * 4)
    assert np.abs(fastsep.sobel(image) - expected).max() <= allowed(image, expected, weight(what))


def test_a_border_that_later_passes_see_as_it_is(rng):
    """As in a chain of correlate1d: beyond the left and right border of what the first pass made lies `cval` again."""
    image = (300 + rng.random((40, 50))).astype(np.float32)
    lines = ((1.0, 2.0, 1.0), (1.0, -2.5, 1.5))
    what = Separable((Term(tuple(Line(line, 1) for line in lines)),), chained=True)
    constant_at_the_height_of_the_image(separable(*lines)[0], what, image, 299.5)


@pytest.mark.parametrize("name", [name for name in FILTERS if "fft" not in name])
def test_nan_and_infinity_reach_no_further_than_the_taps(name):
    run, what = FILTERS[name]
    image = IMAGES["Kelvin"].astype(np.float32)
    image[20, 30], image[50, 150], image[0, 0], image[60, 209] = np.nan, np.inf, -np.inf, np.nan
    expected = reference.exact(what, image, modes=("reflect", "reflect"))
    # The difference of two infinite pixels is NaN where the sum of their products might be infinite.
    np.testing.assert_array_equal(np.isfinite(run(image, mode="reflect")), np.isfinite(expected))


# ---- banks of kernels


def waves(size, orientations, wide=3.0, long=5.0):
    y, x = np.mgrid[-(size // 2) : size // 2 + 1, -(size // 2) : size // 2 + 1]
    for angle in np.arange(orientations) * np.pi / orientations:
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        yield np.cos(along) * np.exp(-(along**2) / (2 * wide**2) - across**2 / (2 * long**2))


BANKS = {
    "round waves": np.array(list(waves(13, 4, 2.0, 2.0))),
    "long waves": np.array(list(waves(15, 6, 2.0, 4.0))),
    "noise": np.random.default_rng(8).standard_normal((6, 5, 5)),
    "second differences": np.array([np.outer((1, 2, 1), (1, -2, 1)), [(0, 1, 0), (1, -4, 1), (0, 1, 0)]], float),
    "slopes": np.array([np.outer(MEAN, SLOPE), np.outer(SLOPE, MEAN)]),
}


@pytest.mark.parametrize("method", ["auto", "separable", "direct"])
@pytest.mark.parametrize("place", IMAGES)
@pytest.mark.parametrize("name", BANKS)
def test_banks_of_kernels_that_sum_to_zero(name, place, method):
    kernels = BANKS[name] - BANKS[name].mean(axis=(1, 2), keepdims=True)
    image = IMAGES[place].astype(np.float32)
    result = fastsep.correlate_bank(image, kernels, method=method)
    assert result.dtype == np.float32
    for number, kernel in enumerate(kernels):
        expected = ndimage.correlate(image.astype(float), kernel)
        assert np.abs(result[..., number] - expected).max() <= allowed(image, expected, np.abs(kernel).sum())

"""Structure tensor, Hessian and corners against scikit-image: values, dtypes, borders, layouts, memory."""

import inspect
import sys
import tracemalloc
import warnings

import numpy as np
import pytest
from helpers import MIB, MODES, SLACK, assert_refused, noise, peak_memory, slow

import fastsep
from fastsep import corners
from fastsep._ops import tensor

feature = pytest.importorskip("skimage.feature")

BORDERS = [(mode, cval) for mode in MODES for cval in ((0, -0.7) if mode == "constant" else (0,))]
HESSIANS = (True, False)
# Of the range: rounding, with room for another order of the additions.
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def assert_same_matrix(result, expected, least):
    """Agreement to rounding, relative to the largest element; `least`: of whatever that element was computed from."""
    assert type(result) is list
    assert len(result) == len(expected)
    scale = max([least, *(float(np.abs(e).max(initial=0)) for e in expected)])
    for one, other in zip(result, expected, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.flags.c_contiguous
        np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE[one.dtype.name] * scale)


def assert_same_tensor(image, *arguments, **options):
    # Sums of positive products: what is lost is relative to the largest of them.
    result = fastsep.structure_tensor(image, *arguments, **options)
    assert_same_matrix(result, feature.structure_tensor(image, *arguments, **options), 0.0)


def assert_same_hessian(image, *arguments, **options):
    # Differences: what is lost is relative to the image, whose values are up to 1.
    result = fastsep.hessian_matrix(image, *arguments, **options)
    assert_same_matrix(result, feature.hessian_matrix(image, *arguments, **options), 1.0)


# ---- against scikit-image


@pytest.mark.parametrize("name", corners.__all__)
def test_signature_extends_that_of_scikit_image(name):
    ours = inspect.signature(getattr(fastsep, name)).parameters
    theirs = inspect.signature(getattr(feature, name)).parameters
    assert [(p.name, p.kind, p.default) for p in ours.values()][: len(theirs)] == [
        (p.name, p.kind, p.default) for p in theirs.values()
    ]
    assert all(ours[n].kind is inspect.Parameter.KEYWORD_ONLY for n in list(ours)[len(theirs) :])


@pytest.mark.parametrize("mode", [*BORDERS, ("grid-mirror", 0), ("grid-wrap", 0), ("grid-constant", 1)])
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        *(((23, 17), dtype) for dtype in ("float32", "float64")),
        ((7, 9, 8), "float32"),
        ((4, 5, 3, 6), "float64"),
        ((3, 2, 4, 3, 2), "float64"),
        pytest.param((7, 9, 8), "float64", marks=pytest.mark.slow),
        *(pytest.param(shape, "float32", marks=pytest.mark.slow) for shape in ((4, 5, 3, 6), (3, 2, 4, 3, 2))),
    ],
)
def test_matrices_agree_in_every_mode_and_number_of_axes(shape, dtype, mode, rng):
    image = noise(rng, dtype, shape)
    assert_same_tensor(image, 1.2, *mode)
    for gaussian in HESSIANS:
        assert_same_hessian(image, 1.2, *mode, use_gaussian_derivatives=gaussian)


@pytest.mark.parametrize("mode", ["constant", "nearest"])
def test_matrices_agree_at_every_small_size(mode, rng):
    for height in range(2, 10):
        for width in range(2, 10):
            image = noise(rng, "float64", (height, width))
            assert_same_tensor(image, 1, mode, 0.3)
            for gaussian in HESSIANS:
                assert_same_hessian(image, 1, mode, 0.3, use_gaussian_derivatives=gaussian)


def test_a_hessian_by_gaussian_derivatives_has_no_smallest_size(rng):
    for shape in [(1,), (2,), (9,), (31,), (1, 1), (1, 5), (6, 1), (1, 4, 1), (2, 1, 3, 1, 2, 2)]:
        image = noise(rng, "float64", shape)
        for mode in ("constant", "reflect"):
            assert_same_hessian(image, 0.7, mode, 0.3, use_gaussian_derivatives=True)


def test_a_hessian_by_differences_is_numpys_gradient_of_the_gradient_on_one_axis_too(rng):
    image = noise(rng, "float64", (12,))
    (result,) = fastsep.hessian_matrix(image, 0, use_gaussian_derivatives=False)
    np.testing.assert_array_equal(result, np.gradient(np.gradient(image)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_hessian_by_differences_is_numpys_gradient_of_the_gradient_at_every_width(dtype, rng):
    for width in range(2, 41):
        image = noise(rng, dtype, (int(rng.integers(2, 40)), width))
        y, x = np.gradient(image)
        expected = {
            "rc": [np.gradient(y, axis=0), np.gradient(y, axis=1), np.gradient(x, axis=1)],
            "xy": [np.gradient(x, axis=1), np.gradient(x, axis=0), np.gradient(y, axis=0)],
        }
        for order, workers in (("rc", 1), ("rc", 3), ("xy", 1), ("xy", 3)):
            result = fastsep.hessian_matrix(image, 0, order=order, use_gaussian_derivatives=False, workers=workers)
            for one, other in zip(result, expected[order], strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("sigma", [0, 0.1, 1, 1.5, 4, (0.5, 2), [2, 0], np.array([1, 3])])
@pytest.mark.parametrize("order", ["rc", "xy"])
def test_sigma_and_order_are_scikit_images(sigma, order, rng):
    image = noise(rng, "float64", (19, 26))
    for mode, cval in (("constant", 0.4), ("mirror", 0)):
        assert_same_tensor(image, sigma, mode, cval, order)
        for gaussian in HESSIANS:
            assert_same_hessian(image, sigma, mode, cval, order, gaussian)


def test_every_axis_may_have_a_mode_of_its_own(rng):
    image = noise(rng, "float64", (9, 8, 7))
    for modes in (["wrap", "constant", "mirror"], ("constant", "nearest", "constant")):
        assert_same_tensor(image, (1, 0.5, 2), modes, 0.6)
        for gaussian in HESSIANS:
            assert_same_hessian(image, (1, 0.5, 2), modes, 0.6, use_gaussian_derivatives=gaussian)


@pytest.mark.parametrize(
    "dtype",
    [
        "bool",
        "uint8",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "float16",
        ">f4",
        "g",
        *slow("int8", "int16", ">i2", "uint16"),
    ],
)
def test_dtypes_and_rescaling_are_scikit_images(dtype, rng):
    image = noise(rng, dtype, (19, 26))
    assert_same_tensor(image, 1.5)
    for gaussian in HESSIANS:
        assert_same_hessian(image, 1.5, use_gaussian_derivatives=gaussian)
    for name, expected in (("corner_harris", "k"), ("corner_harris", "eps")):
        assert_same_response(name, image, expected)
    assert_same_response("corner_shi_tomasi", image)


def test_axes_of_length_one_are_removed_for_tensor_and_corners(rng):
    image = noise(rng, "float64", (9, 1, 8))
    assert_same_tensor(image, 1.5)
    assert fastsep.corner_harris(image).shape == feature.corner_harris(image).shape == (9, 8)


def assert_same_response(name, image, *arguments, **options):
    """Rounding, relative to products of the tensor's elements for k, and to the elements otherwise."""
    result = getattr(fastsep, name)(image, *arguments, **options)
    expected = getattr(feature, name)(image, *arguments, **options)
    sigma = options.get("sigma", 1)
    scale = max(float(np.abs(element).max()) for element in feature.structure_tensor(image, sigma))
    if name == "corner_harris" and "eps" not in (*arguments, options.get("method")):
        scale *= scale
    assert (result.dtype, result.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(result, expected, rtol=0, atol=TOLERANCE[result.dtype.name] * scale)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("shape", [(2, 2), (3, 9), (40, 53)])
def test_responses_agree(dtype, shape, rng):
    image = noise(rng, dtype, shape)
    for sigma in (0, 1, 2.5, (0.5, 3)):
        assert_same_response("corner_shi_tomasi", image, sigma=sigma)
        for options in ({}, {"k": 0.2}, {"method": "eps"}, {"method": "eps", "eps": 0.1}):
            assert_same_response("corner_harris", image, sigma=sigma, **options)


def test_corners_of_a_square_are_where_scikit_image_finds_them():
    image = np.zeros((60, 70))
    image[20:41, 15:50] = 1
    for name in ("corner_harris", "corner_shi_tomasi"):
        found = feature.corner_peaks(getattr(fastsep, name)(image), min_distance=5, threshold_rel=0.1)
        assert sorted(found.tolist()) == [[20, 15], [20, 49], [40, 15], [40, 49]]


def test_nan_and_infinity_reach_as_far_as_in_scikit_image(rng):
    image = noise(rng, "float64", (30, 34))
    image[4, 5], image[20, 25] = np.nan, np.inf
    with np.errstate(all="ignore"):
        expected = {
            "tensor": feature.structure_tensor(image),
            "gaussian": feature.hessian_matrix(image, use_gaussian_derivatives=True),
            "differences": feature.hessian_matrix(image, use_gaussian_derivatives=False),
            "corners": [feature.corner_harris(image), feature.corner_harris(image, "eps")],
            "eigenvalue": [feature.corner_shi_tomasi(image)],
        }
    results = {
        "tensor": fastsep.structure_tensor(image),
        "gaussian": fastsep.hessian_matrix(image, use_gaussian_derivatives=True),
        "differences": fastsep.hessian_matrix(image, use_gaussian_derivatives=False),
        "corners": [fastsep.corner_harris(image), fastsep.corner_harris(image, "eps")],
        "eigenvalue": [fastsep.corner_shi_tomasi(image)],
    }
    for name, arrays in results.items():
        for one, other in zip(arrays, expected[name], strict=True):
            np.testing.assert_array_equal(np.isnan(one), np.isnan(other), err_msg=name)
            np.testing.assert_array_equal(np.isinf(one), np.isinf(other), err_msg=name)


def test_a_border_of_nan_stays_at_the_border(rng):
    image = noise(rng, "float64", (20, 21))
    result = fastsep.structure_tensor(image, 0, "constant", np.nan)
    assert all(np.isfinite(element[1:-1, 1:-1]).all() and np.isnan(element[0]).all() for element in result)


def test_flat_regions_without_eps_are_nan_without_a_warning():
    assert np.isnan(fastsep.corner_harris(np.zeros((5, 6)), "eps", eps=0)).all()


# ---- of one's own


@pytest.mark.parametrize("name", ["corner_harris", "corner_shi_tomasi"])
def test_mode_and_cval_are_those_of_the_tensor(name, rng):
    image = noise(rng, "float64", (19, 26))
    rows, mixed, cols = feature.structure_tensor(image, 1.5, "constant", 0.4)
    determinant, trace = rows * cols - mixed**2, rows + cols
    expected = {
        "corner_harris": determinant - 0.05 * trace**2,
        "corner_shi_tomasi": (trace - np.sqrt((rows - cols) ** 2 + 4 * mixed**2)) / 2,
    }[name]
    result = getattr(fastsep, name)(image, sigma=1.5, cval=0.4)
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-12 * max(1, trace.max()) ** 2)


@pytest.mark.parametrize("dtype", ["float32", *slow("float64")])
def test_a_short_window_gives_the_measures_of_its_tensor_bit_for_bit(dtype, rng):
    """Measures are taken within the last blur; rows between the stages go round several times in tall images."""
    for shape in ((2, 2), (7, 9), (13, 63), (61, 64), (50, 130), (260, 70), (130, 400)):
        image = noise(rng, dtype, shape)
        for mode in ("constant", "nearest"):
            rows, mixed, cols = fastsep.structure_tensor(image, mode=mode)
            determinant, trace = rows * cols - mixed * mixed, rows + cols
            expected = determinant - np.dtype(dtype).type(0.05) * (trace * trace)
            for workers in (1, 3):
                result = fastsep.corner_harris(image, mode=mode, workers=workers)
                np.testing.assert_array_equal(result, expected, f"{shape} {mode}")


def test_a_pixel_of_a_tall_image_depends_on_its_neighbourhood_alone(rng):
    image = noise(rng, "float32", (300, 70))
    for function in (fastsep.corner_harris, lambda part: np.stack(fastsep.structure_tensor(part), axis=-1)):
        whole = function(image)
        for top in (1, 40, 137, 230):
            np.testing.assert_array_equal(function(image[top : top + 70])[5:-5], whole[top + 5 : top + 65])


@pytest.mark.parametrize("name", ["corner_harris", "corner_shi_tomasi"])
def test_out_is_written_and_returned_and_may_be_the_image(name, rng):
    image = noise(rng, "float64", (19, 26))
    expected = getattr(fastsep, name)(image)
    for out in (np.empty((19, 26)), np.empty((26, 19)).T, np.empty((38, 26))[::-2]):
        assert getattr(fastsep, name)(image, out=out) is out
        np.testing.assert_array_equal(out, expected)
    narrow = np.empty((19, 26), "float32")
    assert getattr(fastsep, name)(image, out=narrow) is narrow
    np.testing.assert_array_equal(narrow, expected.astype("float32"))
    getattr(fastsep, name)(image, out=image)
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("name", ["corner_harris", "corner_shi_tomasi"])
def test_a_response_is_written_where_it_belongs(name, rng):
    """Without an array of its size in between."""
    image = noise(rng, "float32", (400, 500))
    out = np.empty_like(image)
    getattr(fastsep, name)(image, out=out)  # what later calls use again is made
    tracemalloc.start()
    getattr(fastsep, name)(image, out=out)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < out.nbytes // 2


@pytest.mark.slow
def test_dtype_of_a_response_is_that_of_every_filter(rng):
    image = noise(rng, "uint8", (19, 26))
    exact = feature.corner_shi_tomasi(image)
    narrow = fastsep.corner_shi_tomasi(image, dtype="float32")
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, exact, rtol=0, atol=1e-6 * exact.max() * 4)  # 4: trace and root are larger
    own_scale = fastsep.corner_shi_tomasi(image, dtype="int32")
    assert own_scale.dtype == np.int32
    # Rounded on the image's own scale, which derivatives are multiplied with twice.
    np.testing.assert_allclose(own_scale, exact * 255**2, rtol=0, atol=0.5 + 1e-9 * 255**2)
    half = fastsep.corner_shi_tomasi(image, dtype="float16")
    np.testing.assert_array_equal(half, narrow.astype("float16"))


# ---- layouts, threads, memory


def calls(image, workers=None):
    """All arrays of all functions."""
    image = np.asarray(image)
    wrapped = fastsep.hessian_matrix(image, 1.2, "wrap", use_gaussian_derivatives=False, workers=workers)
    found = fastsep.structure_tensor(image, 1.2, workers=workers)
    found += fastsep.structure_tensor(image, 1.2, "constant", 0.5, workers=workers)
    for gaussian in HESSIANS:
        found += fastsep.hessian_matrix(image, 1.2, use_gaussian_derivatives=gaussian, workers=workers)
    if image.ndim == 2:
        found += [fastsep.corner_harris(image, method, workers=workers) for method in ("k", "eps")]
        found.append(fastsep.corner_shi_tomasi(image, workers=workers))
    return found + wrapped


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64", *slow("int16")])
def test_layout_does_not_change_a_bit_nor_is_the_image_changed(dtype, rng):
    image = noise(rng, dtype, (19, 26))
    expected = calls(image)
    read_only, spread = image.copy(), np.zeros((38, 78), dtype)[::2, ::3]
    read_only.flags.writeable = False
    spread[...] = image
    layouts = {
        "read-only": read_only,
        "strided": spread,
        "Fortran": np.asfortranarray(image),
        "reversed": image[::-1, ::-1].copy()[::-1, ::-1],
        "other byte order": image.astype(image.dtype.newbyteorder()),
    }
    for layout, same in layouts.items():
        before = same.tobytes()
        for one, other in zip(calls(same), expected, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=layout)
            assert not np.may_share_memory(one, same)
            assert one.flags.writeable
        assert same.tobytes() == before


def test_lists_and_subclasses_are_taken_as_plain_arrays(rng):
    image = noise(rng, "float64", (5, 6))
    for same in (image.tolist(), image.view(np.recarray)):
        for one, other in zip(fastsep.structure_tensor(same), fastsep.structure_tensor(image), strict=True):
            assert type(one) is np.ndarray
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shape", [(310, 270), (20, 70, 81)])
def test_the_number_of_workers_does_not_change_a_bit(shape, rng):
    image = noise(rng, "float32", shape)
    expected = calls(image, 1)
    for workers in (2, 3, 5, None):
        for one, other in zip(calls(image, workers), expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("name", "options", "temporaries"),
    [
        ("structure_tensor", {}, 1),
        pytest.param("structure_tensor", {"cval": 0.5}, 1, marks=pytest.mark.slow),
        pytest.param("hessian_matrix", {"use_gaussian_derivatives": True}, 1, marks=pytest.mark.slow),
        ("hessian_matrix", {"use_gaussian_derivatives": False}, 0),
        ("corner_harris", {}, 3),
        pytest.param("corner_shi_tomasi", {}, 3, marks=pytest.mark.slow),
    ],
)
def test_no_more_images_than_promised_are_alive_beside_input_and_results(name, options, temporaries):
    side = 3072
    nbytes = side * side * np.dtype("float32").itemsize
    assert nbytes > SLACK
    extra, _ = peak_memory(name, options, (side, side), "float32")
    assert extra <= temporaries * nbytes + SLACK, f"{extra / MIB:.1f} MiB beside input and results"


# ---- what is refused


def hessian(image, *arguments, **options):
    return fastsep.hessian_matrix(image, *arguments, **{"use_gaussian_derivatives": False, **options})


IMAGE, CUBE = np.ones((8, 9)), np.ones((4, 5, 6))
NAN = float("nan")
BOTH = (RuntimeError, ValueError)  # must be caught as either
COMMON = {
    "negative sigma": ((IMAGE, {"sigma": -1}), ValueError, r"`sigma`.*not negative.*-1"),
    "negative sigma of one axis": ((IMAGE, {"sigma": (1, -1)}), ValueError, r"`sigma`.*-1"),
    "nan sigma": ((IMAGE, {"sigma": NAN}), ValueError, r"`sigma`.*nan"),
    "infinite sigma": ((IMAGE, {"sigma": np.inf}), ValueError, r"`sigma`.*inf"),
    "text for sigma": ((IMAGE, {"sigma": "1"}), TypeError, r"`sigma`.*'1'"),
    "no sigma": ((IMAGE, {"sigma": None}), TypeError, r"`sigma`.*None"),
    "one sigma in a list": ((IMAGE, {"sigma": [1]}), BOTH, r"`sigma`.*2 spatial.*1"),
    "three sigmas": ((IMAGE, {"sigma": (1, 2, 3)}), BOTH, r"`sigma`.*2 spatial.*3"),
    "unknown mode": ((IMAGE, {"mode": "edge"}), BOTH, r"`mode`.*reflect.*'edge'"),
    "three modes": ((IMAGE, {"mode": ["wrap"] * 3}), BOTH, r"`mode`.*2 spatial.*3"),
    "complex cval": ((IMAGE, {"cval": 1j}), TypeError, r"`cval`.*1j"),
    "workers zero": ((IMAGE, {"workers": 0}), ValueError, r"`workers`.*1.*0"),
    "fractional workers": ((IMAGE, {"workers": 1.5}), TypeError, r"`workers`.*1\.5"),
    "complex image": ((IMAGE + 1j, {}), ValueError, r"`image`.*complex128"),
    "object image": ((IMAGE.astype(object), {}), ValueError, r"`image`.*object"),
    "masked image": ((np.ma.masked_less(IMAGE, 0), {}), ValueError, r"`image`.*masked"),
    "0-d image": ((np.float64(1), {}), ValueError, r"`image`.*dimension"),
    "empty image": ((np.empty((0, 5)), {}), ValueError, r"`image`.*\(0, 5\)"),
}
MATRICES = {
    "unknown order": ((IMAGE, {"order": "yx"}), ValueError, r"`order`.*rc, xy.*'yx'"),
    "order None": ((IMAGE, {"order": None}), ValueError, r"`order`.*None"),
    "order in a list": ((IMAGE, {"order": ["rc"]}), ValueError, r"`order`.*\['rc'\]"),
    "xy of a volume": ((CUBE, {"order": "xy"}), ValueError, r"`order`.*rc.*2 axes.*'xy' for 3"),
    "xy of a plane of a volume": ((CUBE[:1], {"order": "xy"}), ValueError, r"`order`.*rc.*2 axes.*'xy' for 3"),
}
LINES = {
    "one axis": ((np.ones(5), {}), ValueError, r"`image`.*2 .*axes.*\(5,\)"),
    "one row": ((np.ones((1, 5)), {}), ValueError, r"`image`.*2 .*axes.*\(1, 5\)"),
    "one pixel": ((np.ones((1, 1)), {}), ValueError, r"`image`.*2 .*axes.*\(1, 1\)"),
}
RESPONSES = {
    "volume": ((CUBE, {}), ValueError, r"`image`.*2 axes.*\(4, 5, 6\)"),
    "out of another shape": ((IMAGE, {"out": np.ones((9, 8))}), BOTH, r"`out`.*\(8, 9\).*\(9, 8\)"),
    "integer out alone": ((IMAGE, {"out": np.ones((8, 9), int)}), ValueError, r"dtype of `out` must be float.*int64"),
    "list for out": ((IMAGE, {"out": [0]}), TypeError, r"`out`.*list"),
    "bool dtype": ((IMAGE, {"dtype": bool}), ValueError, r"`dtype`.*bool"),
}
TABLES = {
    fastsep.structure_tensor: {
        **COMMON,
        **MATRICES,
        **LINES,
        "six axes": ((np.ones((2,) * 6), {}), ValueError, r"`image`.*2 to 5 axes.*\(2, 2, 2, 2, 2, 2\)"),
    },
    hessian: {
        **COMMON,
        **MATRICES,
        "one column": ((np.ones((5, 1)), {}), ValueError, r"`image`.*2 pixels.*\(5, 1\)"),
    },
    fastsep.corner_harris: {
        **COMMON,
        **LINES,
        **RESPONSES,
        "unknown method": ((IMAGE, {"method": "noble"}), ValueError, r"`method`.*k, eps.*'noble'"),
        "no method": ((IMAGE, {"method": None}), ValueError, r"`method`.*k, eps.*None"),
        "text for k": ((IMAGE, {"k": "a"}), TypeError, r"`k`.*'a'"),
        "nan k": ((IMAGE, {"k": NAN}), ValueError, r"`k`.*nan"),
        "text for eps": ((IMAGE, {"eps": "a"}), TypeError, r"`eps`.*'a'"),
    },
    fastsep.corner_shi_tomasi: {**COMMON, **LINES, **RESPONSES},
}
REFUSED = [
    pytest.param(function, *row, id=f"{function.__name__}: {name}")
    for function, table in TABLES.items()
    for name, row in table.items()
]


@pytest.mark.parametrize(("function", "call", "exceptions", "pattern"), REFUSED)
def test_a_bad_argument_gets_one_clear_line(function, call, exceptions, pattern):
    function(IMAGE)  # what is remembered from a good call must not let a bad one through
    image, options = call
    assert_refused(lambda: function(image, **options), exceptions, pattern)


def test_bad_arguments_of_a_hessian_by_gaussian_derivatives_are_refused_too():
    for sigma, exception in ((-1, ValueError), ((1, 2, 3), RuntimeError), (np.nan, ValueError), (1e7, ValueError)):
        with pytest.raises(exception, match="`sigma`"):
            fastsep.hessian_matrix(IMAGE, sigma, use_gaussian_derivatives=True)


def test_an_empty_image_has_an_empty_hessian_by_gaussian_derivatives_only():
    result = fastsep.hessian_matrix(np.empty((0, 5), "float32"), use_gaussian_derivatives=True)
    assert [(element.shape, element.dtype) for element in result] == [((0, 5), np.float32)] * 3


def test_nothing_is_written_into_out_when_a_call_is_refused():
    out = np.full((8, 9), 7.0)
    for options in ({"sigma": -1}, {"mode": "odd"}, {"cval": "0"}, {"workers": 0}):
        with pytest.raises((TypeError, ValueError)):
            fastsep.corner_harris(IMAGE, out=out, **options)
    assert (out == 7).all()


def test_a_hessian_of_neither_kind_warns_as_in_scikit_image_and_takes_differences(rng):
    image = noise(rng, "float64", (9, 8))
    with pytest.warns(FutureWarning, match="use_gaussian_derivatives currently defaults") as caught:
        result = fastsep.hessian_matrix(image)
    assert caught[0].filename == __file__
    for one, other in zip(result, hessian(image), strict=True):
        np.testing.assert_array_equal(one, other)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fastsep.hessian_matrix(image, use_gaussian_derivatives=True)
        fastsep.structure_tensor(image)


# ---- the steps


@pytest.mark.parametrize("sigma", [(1, 0), (0, 1), (0, 0)])
@pytest.mark.parametrize("shape", [(6, 2), (6, 3), (6, 9)])
def test_an_axis_without_a_blur_stays_an_axis(rng, shape, sigma):
    image = noise(rng, "float64", shape)
    result = fastsep.structure_tensor(image, sigma=sigma)
    for one, other in zip(result, feature.structure_tensor(image, sigma=sigma), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=16e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_sweep_and_whole_arrays_give_the_same_to_rounding(rng, dtype, monkeypatch):
    image = noise(rng, dtype, (23, 57))
    options = {"sigma": (1.0, 2.0), "mode": ("constant", "mirror")}
    measures = [{"method": "k"}, {"method": "eps"}]

    def results():
        fastsep.clear_caches()
        responses = [fastsep.corner_harris(image, **each, **options) for each in measures]
        return fastsep.structure_tensor(image, **options), [*responses, fastsep.corner_shi_tomasi(image, **options)]

    swept = results()
    monkeypatch.setattr(tensor, "can_fuse", lambda *_: False)
    whole = results()
    fastsep.clear_caches()
    # Products reach 16, measures 256 times the square of the image's range.
    tolerance = 300 * TOLERANCE[dtype]
    for one, other in zip(swept[0] + swept[1], whole[0] + whole[1], strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)

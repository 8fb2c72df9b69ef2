"""`fastsep.ndimage` takes and refuses arguments as `scipy.ndimage` does."""

import inspect
import subprocess
import sys
import warnings

import numpy as np
import pytest
from helpers import slow
from scipy import ndimage as theirs

from fastsep import ndimage as ours

IMAGE = np.arange(30, dtype=np.float32).reshape(5, 6)
#: Least arguments beside the image.
ARGUMENTS = {
    "correlate1d": ([1, 2, 1],),
    "convolve1d": ([1, 2, 1],),
    "correlate": (np.ones((3, 3)),),
    "convolve": (np.ones((3, 3)),),
    "gaussian_filter1d": (1,),
    "gaussian_filter": (1,),
    "gaussian_laplace": (1,),
    "gaussian_gradient_magnitude": (1,),
    "generic_laplace": (theirs.sobel,),
    "generic_gradient_magnitude": (theirs.sobel,),
    "rank_filter": (1, 3),
    "percentile_filter": (40, 3),
    "sobel": (),
    "prewitt": (),
    "laplace": (),
}
#: These take images with missing pixels.
NORMALIZED = (
    *("convolve", "convolve1d", "correlate", "correlate1d"),
    *("gaussian_filter", "gaussian_filter1d", "uniform_filter", "uniform_filter1d"),
)
#: Not for an `output` that is a dtype: SciPy ignores it.
IGNORES_DTYPE = ("morphological_gradient", "morphological_laplace")
#: Of float32 images, in float64: nobody else needs their kernels.
OWN_KERNELS = ("convolve", "correlate", "laplace", "uniform_filter")


def call(module, name, image=IMAGE, **options):
    return getattr(module, name)(image, *ARGUMENTS.get(name, (3,)), **options)


@pytest.mark.parametrize("name", ours.__all__)
def test_signatures_are_those_of_scipy_with_more_keywords(name):
    mine, scipys = (inspect.signature(getattr(module, name)).parameters for module in (ours, theirs))
    own = {} if name.startswith("generic") else {"workers": None}
    if name in NORMALIZED:
        own.update(pixel_weights=None, nan="propagate", min_weight=0.0, keep_nan=False, nodata=None, fill_value=None)
    shared = [(p.name, p.default, p.kind) for p in mine.values() if p.name not in own]
    assert shared == [(p.name, p.default, p.kind) for p in scipys.values()]
    assert {name: mine[name].default for name in own} == own
    assert {mine[name].kind for name in own} <= {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("name", ours.__all__)
def test_the_result_goes_into_output(name):
    expected = call(theirs, name)
    for output in (np.empty_like(IMAGE), np.empty((6, 5), np.float32).T, np.empty((5, 12), np.float32)[:, ::2]):
        assert call(ours, name, output=output) is output
        np.testing.assert_allclose(output, expected, atol=1e-4)
    swapped = np.empty(IMAGE.shape, ">f4")
    call(ours, name, output=swapped)
    np.testing.assert_allclose(swapped, expected, atol=1e-4)


@pytest.mark.parametrize(
    "name",
    [*(name for name in ours.__all__ if name not in (*IGNORES_DTYPE, *OWN_KERNELS)), *slow(*OWN_KERNELS)],
)
@pytest.mark.parametrize("output", [np.float64, "float64", np.dtype("f8"), float])
def test_output_may_be_a_dtype(name, output):
    found, expected = (call(module, name, output=output) for module in (ours, theirs))
    assert found.dtype == expected.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["minimum_filter", "minimum_filter1d", "median_filter", "grey_closing", "sobel"])
@pytest.mark.parametrize(("dtype", "result"), [(">f4", ">f4"), ("<f4", "<f4"), (None, "f4")])
def test_output_may_name_a_byte_order(name, dtype, result):
    image = np.rint(IMAGE).astype(">f4")
    found, expected = (call(module, name, image, output=dtype) for module in (ours, theirs))
    assert found.dtype == expected.dtype == np.dtype(result)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ours.__all__)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_output_may_overlap_the_input(name, dtype):
    if name.startswith("generic"):
        dtype = "float32"
    memory = (np.arange(60) * 7 % 50).astype(dtype)
    expected = call(ours, name, memory[:30].reshape(5, 6).copy())
    for start in (0, 1, 6):
        shared = memory.copy()
        call(ours, name, shared[:30].reshape(5, 6), output=shared[start : start + 30].reshape(5, 6))
        np.testing.assert_array_equal(shared[start : start + 30].reshape(5, 6), expected)


#: Bad values of arguments; what `mode` is, is for the derivatives of generic functions to look at.
BAD = [
    (name, argument, value)
    for name in ours.__all__
    for argument, value in (("mode", "unknown"), ("origin", 9), ("axes", (0, 0)), ("axis", 5))
    if argument in inspect.signature(getattr(ours, name)).parameters
    and not (argument == "mode" and name.startswith("generic"))
]


@pytest.mark.parametrize(("name", "argument", "value"), BAD)
def test_nothing_is_written_before_the_arguments_are_checked(name, argument, value):
    output = np.full(IMAGE.shape, 7, np.float32)
    with pytest.raises((ValueError, RuntimeError)):
        call(ours, name, output=output, **{argument: value})
    np.testing.assert_array_equal(output, 7)


@pytest.mark.parametrize("name", ["white_tophat", "black_tophat", "morphological_gradient", "morphological_laplace"])
@pytest.mark.parametrize("dtype", ["uint8", "bool", "int64"])
def test_an_output_that_differences_do_not_fit_is_refused_before_it_is_written(name, dtype):
    output = np.full(IMAGE.shape, 1, dtype)
    with pytest.raises(TypeError, match="subtract"):
        call(ours, name, output=output)
    np.testing.assert_array_equal(output, 1)


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("gaussian_filter", (1,), {"mode": "unknown"}),
        ("gaussian_filter", (1,), {"mode": ["reflect"]}),
        ("gaussian_filter", ((1, 2, 3),), {}),
        ("gaussian_filter", (1,), {"output": np.empty((2, 2))}),
        ("gaussian_filter", (1,), {"output": "U3"}),
        ("gaussian_filter", (1,), {"axes": 2}),
        ("gaussian_filter", (1,), {"axes": (0, 0)}),
        ("gaussian_filter", (1,), {"axes": 1.5}),
        ("gaussian_filter", (1,), {"axes": (0, 5)}),
        ("gaussian_filter", (1,), {"order": -1}),
        ("gaussian_filter", (1,), {"radius": 2.5}),
        ("gaussian_filter", (1,), {"radius": -1}),
        ("gaussian_filter1d", (-1,), {}),
        ("gaussian_filter1d", (0,), {}),
        ("gaussian_filter1d", (1,), {"axis": 2}),
        ("gaussian_laplace", (1,), {"unknown": 2}),
        ("correlate1d", ([],), {}),
        ("correlate1d", ([[1, 2]],), {}),
        ("correlate1d", ([1, 2, 3],), {"origin": 2}),
        ("correlate", (np.ones(3),), {}),
        ("correlate", (np.ones((3, 0)),), {}),
        ("correlate", (np.ones((3, 3)),), {"mode": ["reflect", "wrap"]}),
        ("correlate", (np.ones((3, 3)),), {"origin": (0, -2)}),
        ("correlate", (np.full((3, 3), 1j),), {"cval": 1j}),
        ("correlate", (np.ones((3, 3)),), {"cval": 1j, "mode": "constant"}),
        ("convolve", (np.ones((3, 3)),), {"axes": (0,)}),
        ("uniform_filter1d", (0,), {}),
        ("uniform_filter1d", (3,), {"origin": 2}),
        ("uniform_filter", (3,), {"origin": (0, 0, 0)}),
        ("sobel", (7,), {}),
        ("minimum_filter", (), {}),
        ("minimum_filter1d", (0,), {}),
        ("minimum_filter", (), {"footprint": np.zeros((3, 3))}),
        ("minimum_filter", (), {"footprint": np.ones((3, 3, 3))}),
        ("minimum_filter", (3,), {"origin": 2}),
        ("median_filter", (), {}),
        ("median_filter", (0,), {}),
        ("median_filter", (3,), {"origin": -2}),
        ("median_filter", (3,), {"mode": ["reflect", "wrap"]}),
        ("maximum_filter", (), {"footprint": np.eye(3), "mode": ["reflect", "wrap"]}),
        ("rank_filter", (9, 3), {}),
        ("rank_filter", (-10, 3), {}),
        ("rank_filter", (1.5, 3), {}),
        ("percentile_filter", (101, 3), {}),
        ("percentile_filter", ("5", 3), {}),
        ("percentile_filter", (-101, 3), {}),
        ("grey_erosion", (), {}),
        ("grey_dilation", (), {"size": (3, 3, 3)}),
        ("grey_dilation", (3,), {"origin": 2}),
        # Where SciPy's exception depends on the function.
        ("grey_dilation", (), {"footprint": np.ones(3)}),
        ("grey_dilation", (), {"footprint": 1}),
        ("grey_dilation", (), {"footprint": np.ones((3, 3, 3))}),
        ("grey_dilation", (), {"size": (3,)}),
        ("grey_dilation", (2.5,), {}),
        ("grey_closing", (), {"footprint": np.ones(3)}),
        ("grey_opening", (), {"footprint": np.ones(3)}),
        ("minimum_filter", (), {"footprint": np.ones(3)}),
        ("minimum_filter", (), {"footprint": np.zeros(3)}),
        ("rank_filter", (1,), {"footprint": np.zeros(3)}),
        *((name, (3,), {"origin": np.nan}) for name in ("uniform_filter", "minimum_filter", "grey_dilation")),
        ("convolve1d", ([1, 2, 3],), {"origin": np.nan}),
        ("minimum_filter", (), {"footprint": np.ones((0, 3))}),
        ("median_filter", (), {"footprint": np.ones((0, 3))}),
        ("median_filter", (), {"footprint": np.zeros((3, 3))}),
        ("grey_erosion", (), {"structure": np.zeros((0, 3))}),
        ("grey_erosion", (), {"structure": np.zeros(3)}),
        ("grey_dilation", (), {"structure": np.zeros((0, 3))}),
        ("grey_erosion", (), {"structure": np.zeros((1, 3)), "axes": (1, 0), "origin": (1, 0)}),
        *((name, (3,), {"origin": 0.5}) for name in ("uniform_filter", "minimum_filter", "median_filter")),
        *((name, (3,), {"origin": 5.5}) for name in ("uniform_filter", "minimum_filter", "median_filter")),
        *((name, (3,), {"origin": "a"}) for name in ("uniform_filter", "grey_dilation")),
        ("grey_dilation", (3,), {"origin": 0.5}),
        ("grey_dilation", (3,), {"origin": 1.5}),
        *(("correlate1d", (weights,), {"origin": 0.5}) for weights in ([1, 2, 3], [1, 2])),
        ("correlate", (np.ones((3, 3)),), {"origin": 1.5}),
        ("convolve1d", ([1, 2, 3],), {"origin": 5.5}),
        ("gaussian_filter", ("a",), {}),
        ("gaussian_filter", (1,), {"truncate": "a", "radius": 2}),
        ("gaussian_filter1d", ("a",), {}),
    ],
)  # fmt: skip
def test_bad_arguments_raise_what_callers_of_scipy_catch_in_one_line(name, arguments, options):
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever SciPy raises
        getattr(theirs, name)(IMAGE, *arguments, **options)
    with pytest.raises(expected.type) as found:
        getattr(ours, name)(IMAGE, *arguments, **options)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("name", "arguments", "options"),
    [
        ("gaussian_filter", (1,), {"radius": 3.0}),
        ("gaussian_filter1d", (1,), {"radius": 3.0}),
        *((name, (3,), {"origin": 1.0}) for name in ("minimum_filter", "uniform_filter", "median_filter")),
        ("grey_dilation", (3,), {"origin": 1.0}),
        ("correlate", (np.ones((3, 3)),), {"origin": 1.0}),
        ("correlate1d", ([1, 2, 3],), {"origin": 1.0}),
        ("convolve1d", ([1, 2, 3],), {"origin": 1.0}),
        ("minimum_filter", (3,), {"axes": (0.0, 1.0)}),
        ("minimum_filter", (3,), {"axes": 1.0}),
        ("sobel", (1.0,), {}),
        ("uniform_filter1d", (3.0,), {}),
        ("gaussian_filter", (1,), {"order": 1.0}),
    ],
)
def test_whole_floats_pass_as_integers_whatever_was_called_before(name, arguments, options):
    def whole(value):
        return tuple(map(whole, value)) if isinstance(value, tuple) else int(value) if type(value) is float else value

    image = np.ones((3, 29 + len(name)), np.float32)  # of a shape that no other call has had
    image[1, 7] = 5
    found = getattr(ours, name)(image, *arguments, **options)
    options = {key: whole(value) for key, value in options.items()}
    np.testing.assert_array_equal(found, getattr(ours, name)(image, *map(whole, arguments), **options))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("uniform_filter", None, "`size` must be a real number; got None"),
        ("uniform_filter", "3", "`size` must be a real number; got '3'"),
        ("correlate1d", "abc", "`weights` must be numbers; got 'abc'"),
        ("convolve", [["a", "b"]], r"`weights` must be numbers; got \[\['a', 'b'\]\]"),
    ],
)
def test_messages_name_the_argument(name, value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        getattr(ours, name)(IMAGE, value)


@pytest.mark.parametrize("name", ["correlate1d", "convolve"])
def test_modes_that_are_no_plain_text_meet_complex_weights(name):
    """They take the way of calls that may have missing pixels, which knows real weights alone."""
    weights = [1, 2j, 3] if name.endswith("1d") else [[1, 2j, 3]]
    expected = getattr(theirs, name)(IMAGE, weights, mode="mirror")
    np.testing.assert_array_equal(getattr(ours, name)(IMAGE, weights, mode=np.str_("mirror")), expected)
    with pytest.raises(RuntimeError, match="`mode` must be one of"):
        getattr(ours, name)(IMAGE, weights, mode=3)


@pytest.mark.parametrize("image", [IMAGE.astype(np.float16), IMAGE.astype(object), IMAGE.astype(np.longdouble)])
def test_images_that_scipy_does_not_know_are_its_own_to_refuse(image):
    with pytest.raises(RuntimeError):
        ours.gaussian_filter(image, 1)


@pytest.mark.parametrize("name", ["minimum_filter", "median_filter", "grey_opening"])
def test_complex_images_have_no_order(name):
    with pytest.raises(TypeError, match="Complex"):
        getattr(ours, name)(IMAGE.astype(complex), 3)


def test_a_read_only_output_is_refused():
    output = np.zeros_like(IMAGE)
    output.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        ours.gaussian_filter(IMAGE, 1, output=output)


@pytest.mark.parametrize("workers", [0, 1.5, "two"])
def test_workers_are_checked(workers):
    for image in (IMAGE, IMAGE.astype(complex)):
        with pytest.raises((ValueError, TypeError), match="workers"):
            ours.gaussian_filter(image, 1, workers=workers)


@pytest.mark.parametrize("name", ["minimum_filter", "rank_filter", "median_filter", "grey_closing", "white_tophat"])
def test_a_size_beside_a_footprint_is_warned_of(name):
    footprint = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    rank = (1,) if name == "rank_filter" else ()
    image = IMAGE.astype(np.uint8)
    expected = getattr(theirs, name)(image, *rank, footprint=footprint)
    with pytest.warns(UserWarning, match="size") as caught:
        found = getattr(ours, name)(image, *rank, 5, footprint)
    assert [warning.filename for warning in caught] == [__file__]
    np.testing.assert_array_equal(found, expected)


def test_a_real_dtype_for_a_complex_result_is_promoted():
    for call_it in (
        lambda: ours.correlate1d(IMAGE, [1j], output=np.float32),
        lambda: ours.sobel(IMAGE + 0j, output=np.float32),
    ):
        with pytest.warns(UserWarning, match="complex") as caught:
            assert call_it().dtype == np.complex64
        assert [warning.filename for warning in caught] == [__file__]
    with pytest.raises(RuntimeError, match="complex"):
        ours.correlate1d(IMAGE.astype(complex), [1], output=np.empty_like(IMAGE))


def test_arguments_of_filters_that_do_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for image in (IMAGE, IMAGE.astype(np.uint8)):
            np.testing.assert_array_equal(ours.gaussian_filter(image, 0), image)
            np.testing.assert_array_equal(ours.gaussian_filter(image, 1, axes=()), image)
            np.testing.assert_array_equal(ours.uniform_filter(image, (0, 1)), image)
            np.testing.assert_array_equal(ours.minimum_filter(image, 1), image)
            np.testing.assert_array_equal(ours.median_filter(image, 1), image)


def test_what_is_no_filter_comes_from_scipy():
    assert ours.label is theirs.label
    assert ours.generic_filter is theirs.generic_filter
    assert set(theirs.__all__) <= set(dir(ours))
    assert ours.morphology is theirs.morphology  # not the package's own module of that name
    assert not {"linear", "order", "derivatives", "run"} & set(vars(ours))
    with pytest.raises(AttributeError, match=r"fastsep\.ndimage"):
        ours.gaussian  # noqa: B018


def test_filters_run_without_scipy():
    code = (
        "import sys, numpy as np, fastsep.ndimage as ndi; ndi.gaussian_filter(np.ones((5, 6), 'f4'), 1);"
        "ndi.median_filter(np.ones((5, 6), 'u1'), 3); ndi.correlate(np.ones((5, 6), 'f4'), np.eye(3));"
        "ndi.grey_opening(np.ones((5, 6), 'u1'), 3); ndi.gaussian_filter(np.ones((5, 6), 'u1'), 1);"
        "print('scipy.ndimage' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]

"""Calls of patched functions that might give another result, error or warning run the original."""

import inspect
import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("skimage")
from originals import BYTES, CROSS, IMAGE, arguments, image_for, original, same

import fastsep
from fastsep._patch import checks, tally, wrappers
from fastsep._patch.targets import HOMES

pytestmark = pytest.mark.usefixtures("nothing_is_patched")


# ---- calls that go to the original

WITH_NAN, WITH_INFINITY = IMAGE.copy(), IMAGE.copy()
WITH_NAN[3, 4], WITH_INFINITY[5, 5] = np.nan, np.inf
HUGE = BYTES.astype(np.int64) + 2**53
INTS = BYTES.astype(np.int64)


class Subclass(np.ndarray):
    pass


#: The slow ones have kernels of their own.
OTHERS = [
    ("skimage.filters.gaussian", (IMAGE[:20],), {}, checks.SMALL),
    ("scipy.ndimage.gaussian_filter1d", (IMAGE.ravel(), 2), {}, checks.SMALL),
    ("scipy.ndimage.gaussian_filter1d", (np.tile(IMAGE.ravel(), 40), 2), {}, None),
    ("scipy.ndimage.minimum_filter1d", (BYTES.ravel(), 3), {}, None),
    ("skimage.filters.gaussian", (IMAGE.view(Subclass),), {}, checks.SUBCLASS),
    ("skimage.filters.sobel", (np.ma.masked_less(IMAGE, 0.1),), {}, checks.SUBCLASS),
    ("scipy.ndimage.gaussian_filter", (np.ma.masked_less(IMAGE, 0.1), 1), {}, checks.SUBCLASS),
    ("scipy.ndimage.gaussian_filter", (IMAGE.tolist(), 1), {}, checks.SUBCLASS),
    ("scipy.ndimage.sobel", (np.asmatrix(IMAGE),), {}, checks.SUBCLASS),
    ("scipy.ndimage.gaussian_filter", (IMAGE.astype(complex), 1), {}, checks.DTYPE),
    ("skimage.filters.gaussian", (IMAGE.astype(np.longdouble),), {}, checks.DTYPE),
    ("skimage.filters.gaussian", (IMAGE.astype(">f8"),), {}, checks.BYTE_ORDER),
    ("skimage.filters.sobel", (IMAGE,), {"axis": -1}, checks.AXIS),
    ("skimage.filters.sobel", (IMAGE,), {"axis": (0, -1)}, checks.AXIS),
    ("skimage.filters.sobel", (IMAGE,), {"axis": (1, 1)}, checks.AXIS),
    ("skimage.filters.sobel", (IMAGE, CROSS.astype(int)[:1, :1]), {}, checks.MASK),
    ("skimage.filters.unsharp_mask", (np.dstack([IMAGE] * 3),), {"channel_axis": 2}, None),
    ("skimage.filters.gaussian", (IMAGE,), {"sigma": np.nan}, checks.VALUES),
    ("skimage.filters.gaussian", (np.dstack([IMAGE] * 3),), {"channel_axis": 5}, checks.AXIS),
    ("skimage.filters.gaussian", (np.dstack([IMAGE] * 3),), {"channel_axis": -1}, None),
    ("skimage.filters.apply_hysteresis_threshold", (IMAGE, np.nan, 0.5), {}, checks.VALUES),
    ("skimage.filters.apply_hysteresis_threshold", (IMAGE, IMAGE, 0.5), {}, checks.VALUES),
    ("skimage.filters.median", (WITH_NAN,), {}, checks.NAN),
    ("skimage.filters.median", (WITH_INFINITY.astype("f4"),), {}, None),
    ("skimage.filters.median", (BYTES,), {"behavior": "rank"}, checks.VALUES),
    ("skimage.morphology.erosion", (WITH_NAN,), {}, checks.NAN),
    pytest.param("skimage.morphology.erosion", (INTS,), {}, None, marks=pytest.mark.slow),
    ("skimage.morphology.erosion", (HUGE,), {}, checks.LARGE),
    ("scipy.ndimage.minimum_filter", (HUGE.astype(np.uint64), 3), {}, checks.LARGE),
    pytest.param("scipy.ndimage.minimum_filter", (INTS, 3), {}, None, marks=pytest.mark.slow),
    ("scipy.ndimage.uniform_filter", (WITH_NAN, 3), {}, checks.NAN),
    ("scipy.ndimage.uniform_filter", (WITH_INFINITY, 3), {}, checks.NAN),
    ("scipy.ndimage.uniform_filter", (INTS + 2**41, 3), {}, checks.LARGE),
    ("scipy.ndimage.uniform_filter", (IMAGE.T, 3), {}, None),
    ("scipy.ndimage.uniform_filter", (IMAGE, 3), {"mode": "constant", "cval": np.nan}, checks.CVAL),
    ("scipy.ndimage.sobel", (INTS.astype("i4") << 20,), {}, checks.LARGE),
    pytest.param("scipy.ndimage.sobel", (INTS.astype("i4") << 10,), {}, None, marks=pytest.mark.slow),
    ("scipy.ndimage.correlate1d", (BYTES, [1 << 30, -1]), {}, checks.LARGE),
    pytest.param(
        "scipy.ndimage.correlate1d", (BYTES, [1 << 20, -1]), {"output": np.int32}, None, marks=pytest.mark.slow
    ),
    ("scipy.ndimage.gaussian_filter1d", (BYTES, 0.01), {"order": 1}, checks.LARGE),
    pytest.param(
        "scipy.ndimage.gaussian_filter",
        (INTS.astype("i4") << 22, 2),
        {"output": np.uint8},
        None,
        marks=pytest.mark.slow,
    ),
    ("skimage.morphology.dilation", (INTS,), {"mode": "max"}, checks.MODE),
    ("scipy.ndimage.gaussian_filter", (WITH_NAN, 1), {}, None),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"output": "f4"}, None),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"output": np.uint8}, checks.OUT),
    ("scipy.ndimage.gaussian_filter", (BYTES, 1), {"output": float}, None),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"mode": ["wrap", "nearest"]}, None),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"axes": (1,)}, None),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"axes": -1}, checks.AXES),
    ("scipy.ndimage.uniform_filter", (IMAGE, 3.0), {}, checks.VALUES),
    ("scipy.ndimage.gaussian_filter", (IMAGE, np.float32(1.5)), {}, checks.VALUES),
    ("scipy.ndimage.gaussian_filter", (IMAGE, np.array([1.5, 2.0], np.float32)), {}, checks.VALUES),
    ("scipy.ndimage.gaussian_filter", (IMAGE, np.float64(1.5)), {}, None),
    ("scipy.ndimage.gaussian_laplace", (IMAGE, np.uint8(3)), {}, checks.VALUES),
    ("scipy.ndimage.rank_filter", (IMAGE[0].repeat(30), 1), {"footprint": [1, 0, 1]}, checks.FOOTPRINT),
    ("scipy.ndimage.rank_filter", (IMAGE[0].repeat(30), 1), {"footprint": np.array([1, 0, 1])}, checks.FOOTPRINT),
    ("scipy.ndimage.rank_filter", (BYTES[0].repeat(30), 1), {"footprint": np.array([1, 1, 1])}, None),
    ("scipy.ndimage.grey_erosion", (IMAGE,), {"structure": np.ones((3, 3))}, checks.VALUES),
    ("scipy.ndimage.maximum_filter", (BYTES, 3), {"mode": "constant", "cval": 300}, checks.CVAL),
    ("scipy.ndimage.maximum_filter", (BYTES, 3), {"mode": "constant", "cval": 200.5}, None),
    ("scipy.ndimage.rank_filter", (IMAGE > 0.5, 1, 3), {"mode": "constant", "cval": 1}, None),
    ("skimage.morphology.closing", (BYTES,), {"mode": "constant", "cval": -3}, checks.CVAL),
    ("scipy.ndimage.correlate", (IMAGE, np.ones((3, 3), complex)), {}, checks.VALUES),
    ("scipy.ndimage.correlate1d", (IMAGE, [1, np.inf, 1]), {}, wrappers.PASSED_ON),
    ("skimage.feature.canny", (IMAGE.astype("f4"),), {}, checks.DTYPE),
    ("skimage.feature.corner_harris", (IMAGE,), {"method": "other"}, checks.VALUES),
]


@pytest.mark.parametrize(("public", "args", "options", "reason"), OTHERS)
def test_calls_go_to_the_original_where_results_might_differ(public, args, options, reason):
    """None: they do not go there."""
    theirs = original(public)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = theirs(*args, **options)
        with fastsep.patched():
            found = getattr(sys.modules[public.rpartition(".")[0]], public.rpartition(".")[2])(*args, **options)
    count = tally.calls[public]
    assert {name: each.calls for name, each in count.original.items()} == ({} if reason is None else {reason: 1})
    assert count.fast.calls == (reason is None)
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    limit = 0 if reason or found.dtype.kind != "f" else 1e-6 if found.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(found, expected, rtol=limit, atol=limit)


@pytest.mark.parametrize("name", ["laplace", "gaussian_laplace", "gaussian_gradient_magnitude", "white_tophat"])
def test_steps_that_write_over_their_input_are_the_originals(name):
    public = f"scipy.ndimage.{name}"
    expected, found = IMAGE.copy(), IMAGE.copy()
    original(public)(expected, *arguments(public), output=expected)
    with fastsep.patched():
        getattr(sys.modules["scipy.ndimage"], name)(found, *arguments(public), output=found)
    np.testing.assert_array_equal(found, expected)
    assert tally.calls[public].original[checks.OUT].calls == 1


def test_a_map_of_a_file_is_taken(tmp_path):
    for number, public in enumerate(sorted(HOMES)):
        pixels = image_for(public)
        image = np.memmap(tmp_path / f"{number}", pixels.dtype, "w+", shape=pixels.shape)
        image[:] = pixels
        expected = original(public)(image, *arguments(public))
        with fastsep.patched():
            found = getattr(sys.modules[public.rpartition(".")[0]], public.rpartition(".")[2])(
                image, *arguments(public)
            )
        same(found, expected, public)
    assert tally.calls["scipy.ndimage.gaussian_filter"].fast.calls == 1
    assert tally.calls["skimage.filters.gaussian"].fast.calls == 1


REFUSED = [
    ("skimage.feature.hessian_matrix", (IMAGE.ravel(),), {"use_gaussian_derivatives": False}),
    ("skimage.filters.gaussian", (IMAGE,), {"sigma": -1}),
    ("skimage.filters.gaussian", (IMAGE,), {"mode": "odd"}),
    ("skimage.filters.gaussian", (IMAGE,), {"wrong": 1}),
    ("skimage.filters.gaussian", (), {}),
    ("skimage.filters.gaussian", (IMAGE, 1, "nearest"), {}),
    ("skimage.filters.gaussian", (IMAGE,), {"dtype": np.float32}),
    ("skimage.filters.gaussian", (IMAGE,), {"sigma": (1, 2, 3)}),
    ("skimage.filters.gaussian", (IMAGE,), {"out": np.empty(IMAGE.shape, int)}),
    ("skimage.filters.gaussian", (None,), {}),
    ("skimage.filters.sobel", (IMAGE,), {"axis": 5}),
    ("skimage.filters.sobel_h", (IMAGE[None],), {}),
    ("skimage.filters.sobel", (IMAGE.tolist(),), {}),
    ("skimage.filters.difference_of_gaussians", (IMAGE, 2, 1), {}),
    ("skimage.filters.median", (IMAGE, CROSS[None]), {}),
    ("skimage.filters.median", (IMAGE.astype("f2"),), {}),
    ("skimage.feature.canny", (INTS,), {}),
    ("skimage.feature.canny", (IMAGE,), {"low_threshold": 0.5, "high_threshold": 0.1}),
    ("skimage.feature.structure_tensor", (IMAGE,), {"order": "odd"}),
    ("skimage.feature.peak_local_max", (IMAGE,), {"exclude_border": -1}),
    ("skimage.feature.peak_local_max", (IMAGE > 0.5,), {}),
    ("scipy.ndimage.gaussian_filter1d", (IMAGE, 0), {}),
    ("skimage.morphology.erosion", (IMAGE,), {"mode": "odd"}),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"mode": "odd"}),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"radius": 1.5}),
    ("scipy.ndimage.gaussian_filter", (IMAGE, 1), {"output": np.empty((3, 3))}),
    ("scipy.ndimage.gaussian_filter", (IMAGE,), {}),
    ("skimage.filters.sobel", (IMAGE,), {"mode": ["reflect", "wrap"]}),
    ("scipy.ndimage.median_filter", (IMAGE, 3), {"axes": -1}),
    ("scipy.ndimage.median_filter", (IMAGE, 3.0), {}),
    ("scipy.ndimage.minimum_filter", (IMAGE,), {}),
    ("scipy.ndimage.minimum_filter", (IMAGE, 3), {"origin": 2}),
    ("scipy.ndimage.minimum_filter", (IMAGE.astype("f2"), 3), {}),
    ("scipy.ndimage.correlate", (IMAGE, np.ones(3)), {}),
    ("scipy.ndimage.median_filter", (IMAGE, 3), {"axes": (0, 0)}),
    ("scipy.ndimage.percentile_filter", (IMAGE, 200, 3), {}),
]


@pytest.mark.parametrize(("public", "args", "options"), REFUSED)
def test_errors_are_those_of_the_original_and_out_is_not_written_to(public, args, options):
    theirs = original(public)
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever it is
        theirs(*args, **options)
    name = "out" if public.startswith("skimage") else "output"
    takes_out = name in inspect.signature(theirs).parameters and name not in options
    out = np.full(IMAGE.shape, 7.0)
    given = {**options, name: out} if takes_out and args and type(args[0]) is np.ndarray else options
    with fastsep.patched():
        ours = getattr(sys.modules[public.rpartition(".")[0]], public.rpartition(".")[2])
        with pytest.raises(Exception) as found:  # noqa: PT011
            ours(*args, **options)
        with pytest.raises(Exception):  # noqa: B017, PT011
            ours(*args, **given)
    assert found.type is expected.type
    assert str(found.value) == str(expected.value)
    assert found.value.__context__ is None or expected.value.__context__ is not None
    assert (out == 7).all()


@pytest.mark.parametrize(
    ("public", "args", "options"),
    [
        ("skimage.feature.hessian_matrix", (IMAGE,), {}),
        ("skimage.feature.peak_local_max", (IMAGE,), {"min_distance": 0}),
        ("scipy.ndimage.minimum_filter", (IMAGE, 3, CROSS), {}),
        ("scipy.ndimage.median_filter", (IMAGE, 3, CROSS), {}),
    ],
)
def test_warnings_are_those_of_the_original_and_about_the_same_line(public, args, options):
    caught = []
    for patched in (False, True):
        if patched:
            fastsep.patch()
        function = getattr(sys.modules[public.rpartition(".")[0]], public.rpartition(".")[2])
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            function(*args, **options)
        caught.append([(each.category, str(each.message), each.filename, each.lineno) for each in found])
    assert len(caught[0]) == 1
    assert caught[0] == caught[1]
    assert caught[1][0][2] == __file__

"""Grey morphology against scikit-image's, bit for bit."""

import warnings

import numpy as np
import pytest
from helpers import ORDER_DTYPES, slow
from skimage import morphology

import fastsep
from fastsep.morphology import __all__ as NAMES

MODES = ("reflect", "constant", "nearest", "mirror", "wrap", "max", "min", "ignore")


def pixels(shape, dtype, seed=1):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    if dtype == "bool":
        return rng.random(shape) < 0.6
    info = np.iinfo(dtype)
    return rng.integers(max(info.min, -(2**40)), min(info.max, 2**40), shape, dtype, endpoint=True)


def check(name, image, footprint=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of differences that overflow
        expected = getattr(morphology, name)(image, footprint, **options)
    result = getattr(fastsep, name)(image, footprint, **options)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


def footprints():
    rectangle = morphology.footprint_rectangle
    rng = np.random.default_rng(0)
    return {
        "cross": None,
        "square": rectangle((3, 3)),
        "rectangle": rectangle((5, 9)),
        "even": rectangle((4, 2)),
        "separable": rectangle((7, 4), decomposition="separable"),
        "sequence": rectangle((7, 9), decomposition="sequence"),
        "diamond": morphology.diamond(3),
        "diamonds": morphology.diamond(3, decomposition="sequence"),
        "disk": morphology.disk(3),
        "disks": morphology.disk(4, decomposition="sequence"),
        "star": morphology.star(2),
        "octagons": morphology.octagon(3, 2, decomposition="sequence"),
        "lopsided": np.array([[0, 0, 1], [0, 1, 1], [1, 1, 1]]),
        "even and lopsided": np.array([[1, 0, 0, 1], [1, 1, 0, 0]]),
        "random": rng.random((6, 5)) < 0.4,
        "one beside the middle": np.array([[0, 0, 1.5]]),
        "none at the first": [(np.ones((3, 3)), 0), (np.ones((1, 3)), 0)],
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("footprint", footprints().values(), ids=footprints())
def test_every_footprint(name, footprint):
    for dtype in ("uint8", "float32"):
        check(name, pixels((23, 37), dtype), footprint)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32", *slow("int16", "float64")])
def test_every_border(name, dtype, mode):
    for footprint in (None, np.ones((4, 5)), np.array([[0, 0, 1], [0, 1, 1]])):
        check(name, pixels((9, 14), dtype), footprint, mode=mode, cval=1)


@pytest.mark.parametrize("name", NAMES)
def test_a_border_that_the_dtype_does_not_reach(name):
    check(name, pixels((9, 14), "uint8"), mode="constant", cval=300)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ORDER_DTYPES)
def test_every_dtype(name, dtype):
    # scikit-image's largest integer of 64 bits goes through double precision, and overflows.
    for mode in ("reflect",) if dtype.endswith("int64") else ("reflect", "ignore"):
        check(name, pixels((17, 40), dtype), mode=mode)
        check(name, pixels((17, 40), dtype), np.ones((3, 5)), mode=mode)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1,), (2,), (31,), (1, 1), (3, 1), (1, 40), (4, 5, 6), (0, 3), (2, 3, 4, 5)])
def test_every_number_of_axes(name, shape):
    check(name, pixels(shape, "uint8"))
    check(name, pixels(shape, "float32"), np.ones((2, 3, 4, 2)[: len(shape)]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["erosion", "dilation", "opening", "closing"])
def test_integers_that_double_precision_does_not_hold(name):
    """Comparisons know no values: those of the image may be numbered."""
    for dtype in ("int64", "uint64"):
        info = np.iinfo(dtype)
        values = np.array([info.min, info.min + 1, info.max // 2, info.max // 2 + 1, info.max - 1, info.max], dtype)
        numbers = np.random.default_rng(0).integers(0, len(values), (12, 19)).astype(np.uint8)
        for footprint in (None, np.ones((2, 3))):
            result = getattr(fastsep, name)(values[numbers], footprint, mode="ignore")
            np.testing.assert_array_equal(result, values[getattr(morphology, name)(numbers, footprint, mode="ignore")])


@pytest.mark.parametrize("name", NAMES)
def test_channels_are_apart(name):
    image = pixels((12, 15, 3), "uint8")
    for axis in (0, 1, -1):
        moved = np.moveaxis(image, -1, axis)
        result = getattr(fastsep, name)(moved, channel_axis=axis)
        for channel in range(3):
            single = getattr(morphology, name)(np.ascontiguousarray(image[..., channel]))
            np.testing.assert_array_equal(np.moveaxis(result, axis, -1)[..., channel], single)


@pytest.mark.usefixtures("small_images_go_parallel")
@pytest.mark.parametrize("name", ["opening", "black_tophat", *slow("closing", "white_tophat")])
@pytest.mark.parametrize("mode", ["reflect", "ignore"])
def test_images_of_several_bands(name, mode):
    """Both windows run in one sweep, some rows at a time."""
    shapes = footprints()
    for footprint in (shapes["cross"], shapes["even"], shapes["even and lopsided"], shapes["disk"]):
        for dtype in ("uint8", "float32"):
            for workers in (1, 3):
                image = pixels((331, 75), dtype)
                expected = getattr(morphology, name)(image, footprint, mode=mode)
                result = getattr(fastsep, name)(image, footprint, mode=mode, workers=workers)
                np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32"])
def test_out(name, dtype):
    image = pixels((12, 15), dtype)
    sequence = morphology.disk(3, decomposition="sequence")
    for footprint in (None, sequence):
        expected = getattr(morphology, name)(image, footprint)
        big = np.zeros((24, 30), dtype)
        for out in (np.empty_like(image), big[::2, ::2], image.copy()):
            source = out if out.base is None and (out == image).all() else image
            assert getattr(fastsep, name)(source, footprint, out=out) is out
            np.testing.assert_array_equal(out, expected)
        assert not big[1::2].any()
        overlapping = np.concatenate((image, image[:1]))
        getattr(fastsep, name)(overlapping[:-1], footprint, out=overlapping[1:])
        np.testing.assert_array_equal(overlapping[1:], expected)


@pytest.mark.parametrize("name", NAMES)
def test_the_image_is_not_changed(name):
    image = pixels((12, 15), "uint8")
    kept = image.copy()
    image.flags.writeable = False
    for footprint in (None, morphology.disk(5, decomposition="sequence")):
        getattr(fastsep, name)(image, footprint)
        np.testing.assert_array_equal(image, kept)


def test_a_nan_spreads_as_far_as_the_footprint():
    image = np.zeros((9, 9), np.float32)
    image[4, 4] = np.nan
    assert np.isnan(fastsep.erosion(image, np.ones((3, 3)))).sum() == 9
    assert np.isnan(fastsep.dilation(image, np.ones((3, 3)))).sum() == 9
    assert np.isnan(fastsep.erosion(image)).sum() == 5
    assert np.isnan(fastsep.dilation(image)).sum() == 5


@pytest.mark.parametrize("name", NAMES)
def test_number_of_threads_changes_nothing(name):
    image = pixels((301, 200), "float32")
    for footprint in (None, np.ones((9, 9))):
        one = getattr(fastsep, name)(image, footprint, workers=1)
        np.testing.assert_array_equal(getattr(fastsep, name)(image, footprint, workers=3), one)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mode": "symmetric"}, ValueError, "unsupported mode"),
        ({"mode": ["reflect", "reflect"]}, ValueError, "unsupported mode"),
        ({"footprint": [[1, 1], [1, 1]]}, ValueError, "`footprint` must be an array, or a sequence"),
        ({"footprint": []}, ValueError, "`footprint` must be an array, or a sequence"),
        ({"footprint": [(np.ones((3, 3)), 1.5)]}, ValueError, "`footprint` must be an array, or a sequence"),
        ({"footprint": 3}, ValueError, "`footprint` must be an array, or a sequence"),
        ({"footprint": np.zeros((3, 3))}, ValueError, "footprint"),
        ({"footprint": np.ones(3)}, RuntimeError, "`footprint`"),
        ({"footprint": np.ones((3, 3, 3))}, RuntimeError, "`footprint`"),
        ({"footprint": np.eye(3)[None]}, RuntimeError, "`footprint` must have an axis for each"),
        ({"footprint": np.ones((0, 3))}, ValueError, "`footprint` must not have an axis of length 0"),
        ({"out": np.zeros((3, 3), np.uint8)}, ValueError, "`out` must have"),
        ({"out": "uint8"}, TypeError, "`out` must be a NumPy array"),
        ({"cval": 1j, "mode": "constant"}, TypeError, "cval"),
        ({"channel_axis": 5}, ValueError, "channel_axis"),
        ({"workers": 0}, ValueError, "workers"),
    ],
)
def test_bad_options(name, options, error, message):
    with pytest.raises(error, match=message):
        getattr(fastsep, name)(pixels((9, 9), "uint8"), **options)


@pytest.mark.parametrize("name", NAMES)
def test_explained(name):
    explanation = fastsep.explain(getattr(fastsep, name), np.zeros((40, 50), np.uint8))
    assert explanation.halo == (((1, 1), (1, 1)) if name in ("erosion", "dilation") else ((2, 2), (2, 2)))

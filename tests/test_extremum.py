"""Promise: minima and maxima of rectangles are those of SciPy, in the image's own dtype, whatever the window."""

from functools import partial

import numpy as np
import pytest
import reference
import scipy.ndimage
from case_kinds import build_extremum, build_flat
from helpers import LEVELS, MODES, layouts, noise, same_bits, slow

import fastsep
from fastsep import _call
from fastsep._plan import tuning
from fastsep._plan.borders import beyond, lies_inside
from fastsep._plan.spec import FlatExtremum
from fastsep._validation.array_like import StandIn

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES = (*INTEGERS, "float16", "float32", "float64")
FEW_DTYPES = ("uint8", "bool", "float32", *slow(*INTEGERS[:4], *INTEGERS[5:], "float16", "float64", ">i4", ">f8"))
WHICH = ("minimum", "maximum")


def extremum(
    image, which, sizes, origins=None, *, mode="reflect", cval=0.0, channel_axis=None, out=None, workers=None
):  # fmt: skip
    """With SciPy's origins: 0, the default, is the centre of a window."""
    origins = (0,) * len(sizes) if origins is None else origins
    centres = tuple(size // 2 + origin for size, origin in zip(sizes, origins, strict=True))
    parameters = (which, tuple(sizes), centres)
    return _call.apply(build_extremum, parameters, image, mode, cval, channel_axis, _call.ORDER, None, out, workers)


def scipys(image, which, sizes, origins=0, mode="reflect", cval=0.0):
    return getattr(scipy.ndimage, f"{which}_filter")(image, sizes, origin=origins, mode=mode, cval=cval)


@pytest.mark.parametrize("dtype", FEW_DTYPES)
def test_results_are_scipys_in_every_dtype(dtype, rng):
    which = "minimum" if "int" in dtype else "maximum"  # a kernel for each dtype: they take their time to compile
    image = noise(rng, dtype, (37, 150))
    if image.dtype.itemsize == 8 and image.dtype.kind in "iu":  # SciPy's way is through float64
        image >>= 11
    for sizes, mode in (((3, 3), "mirror"), ((22, 5), "constant"), ((1, 40), "wrap"), ((19, 2), "nearest")):
        result = extremum(image, which, sizes, mode=mode, cval=1.0)
        assert result.dtype == np.dtype(dtype).newbyteorder("=")
        known = image.astype(np.float32) if dtype == "float16" else image  # which SciPy refuses
        np.testing.assert_array_equal(result, scipys(known, which, sizes, mode=mode, cval=1.0))


@pytest.mark.slow  # kernels of their own
@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_the_largest_integers_come_out_exact(dtype):
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    image = np.array([[high, high - 1, high - 2], [low, low + 1, low + 2]], dtype)
    expected = [[high - 1, high - 2, high - 2], [low, low, low + 1]]
    np.testing.assert_array_equal(extremum(image, "minimum", (1, 3)), [[high - 1, high - 2, high - 2], expected[1]])
    np.testing.assert_array_equal(
        extremum(image, "maximum", (1, 2)), [[high, high, high - 1], [low, low + 1, low + 2]]
    )  # fmt: skip


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("dtype", ["uint8", *slow("float64")])
@pytest.mark.parametrize("axis", [0, 1])
def test_every_size_and_every_centre_of_small_windows(axis, dtype, which, rng):
    image = noise(rng, dtype, (41, 70) if axis else (70, 41))
    for size in range(1, 75):
        sizes = (1, size) if axis else (size, 1)
        for origin in {-(size // 2), 0, (size - 1) // 2, rng.integers(-(size // 2), (size + 1) // 2)}:
            origins = (0, origin) if axis else (origin, 0)
            mode = MODES[(size + origin) % 5]
            result = extremum(image, which, sizes, origins, mode=mode, cval=0.0)
            np.testing.assert_array_equal(result, scipys(image, which, sizes, origins, mode), str((size, origin, mode)))


@pytest.mark.parametrize("level", ["native", *slow(*LEVELS)], indirect=True)
@pytest.mark.parametrize("dtype", ["uint8", "float32", *slow("uint16")])
def test_windows_of_many_vectors_and_groups_of_rows(level, dtype, rng):
    image = noise(rng, dtype, (130, 1100))
    for sizes in ((9, 127), (64, 128), (101, 129), (17, 300), (250, 700), (33, 1100), (300, 5000)):
        np.testing.assert_array_equal(extremum(image, "minimum", sizes), scipys(image, "minimum", sizes), str(sizes))


@pytest.mark.parametrize("which", WHICH)
def test_axes_and_channels(which, rng):
    image = noise(rng, "uint8", (5, 9, 17, 12))
    np.testing.assert_array_equal(extremum(image, which, (3, 2, 5, 4)), scipys(image, which, (3, 2, 5, 4)))
    np.testing.assert_array_equal(
        extremum(image, which, (3, 5, 4), channel_axis=1), scipys(image, which, (3, 1, 5, 4))
    )  # fmt: skip
    np.testing.assert_array_equal(
        extremum(image, which, (3, 11, 1), channel_axis=-1), scipys(image, which, (3, 11, 1, 1))
    )  # fmt: skip
    np.testing.assert_array_equal(extremum(image[0, 0, 0], which, (5,)), scipys(image[0, 0, 0], which, 5))


def flat(image, which, footprint, centre=None, *, mode="reflect", cval=0.0, channel_axis=None, out=None, workers=None):
    centre = tuple(n // 2 for n in footprint.shape) if centre is None else centre
    parameters = (which, footprint, centre)
    return _call.apply(build_flat, parameters, image, mode, cval, channel_axis, _call.ORDER, None, out, workers)


def disk(radius):
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return y * y + x * x <= radius * radius


FOOTPRINTS = {
    "cross": disk(1),
    "disk": disk(6),
    "large disk": disk(33),
    "diagonal": np.eye(9, dtype=bool),
    "ring": disk(4) & ~np.pad(disk(3), 1),
    "corner": np.tri(6, 5, dtype=bool),
    "one pixel beside": np.arange(6).reshape(2, 3) == 5,
    "rectangle": np.ones((3, 8), bool),
}


@pytest.mark.parametrize("name", FOOTPRINTS)
def test_footprints_of_any_form(name, rng):
    footprint = FOOTPRINTS[name]
    image = noise(rng, "uint8", (60, 170))
    for mode in MODES:
        for origin in ((0, 0), (footprint.shape[0] // 4, -(footprint.shape[1] // 2))):
            centre = tuple(size // 2 + o for size, o in zip(footprint.shape, origin, strict=True))
            result = flat(image, "minimum", footprint, centre, mode=mode, cval=0.0)
            expected = scipy.ndimage.minimum_filter(image, footprint=footprint, mode=mode, origin=origin)
            np.testing.assert_array_equal(result, expected, str((mode, origin)))


@pytest.mark.parametrize("name", FOOTPRINTS)
def test_footprints_larger_than_the_image(name, rng):
    """Not compared with SciPy, which reads what is no pixel there."""
    image, footprint = noise(rng, "float32", (7, 9)), FOOTPRINTS[name]
    for mode in MODES:
        centre = (footprint.shape[0] // 2, footprint.shape[1] - 1)
        result = flat(image, "maximum", footprint, centre, mode=mode, cval=0.0)
        expected = reference.flat(FlatExtremum("maximum", footprint, centre), image, 0, (mode, mode), 0.0)
        np.testing.assert_array_equal(result, expected, mode)


@pytest.mark.parametrize("level", slow(*LEVELS), indirect=True)
def test_footprints_with_smaller_vectors(level, rng):
    test_footprints_of_any_form("disk", rng)


def test_footprints_of_more_axes_and_of_channels(rng):
    image = noise(rng, "uint8", (4, 6, 9, 11))
    cross = scipy.ndimage.generate_binary_structure(4, 1)
    expected = scipy.ndimage.minimum_filter(image, footprint=cross, mode="wrap")
    np.testing.assert_array_equal(flat(image, "minimum", cross, mode="wrap"), expected)
    expected = scipy.ndimage.minimum_filter(image, footprint=disk(2)[None, ..., None])
    np.testing.assert_array_equal(flat(image[0], "minimum", disk(2), channel_axis=-1), expected[0])
    line = np.array([True, False, True, True])
    expected = scipy.ndimage.maximum_filter(image[0, 0, 0], footprint=line)
    np.testing.assert_array_equal(flat(image[0, 0, 0], "maximum", line), expected)


def test_a_nan_under_a_gap_of_a_footprint_does_not_count(rng):
    image = noise(rng, "float32", (20, 30))
    image[8, 11] = np.nan
    result = flat(image, "minimum", disk(1))
    np.testing.assert_array_equal(np.isnan(result), scipy.ndimage.binary_dilation(np.isnan(image)))


@pytest.mark.parametrize("which", WHICH)
@pytest.mark.parametrize("dtype", ["float32", *slow("float64")])
@pytest.mark.parametrize("nan", [np.nan, -np.nan])
def test_a_window_that_holds_a_nan_gives_nan_and_no_other_does(nan, dtype, which, rng):
    image = noise(rng, dtype, (50, 90))
    image[20, 31] = nan
    image[3, 5], image[40, 60] = np.inf, -np.inf
    for sizes in ((3, 5), (21, 34)):
        result = extremum(image, which, sizes)
        expected = scipys(np.isnan(image), "maximum", sizes)
        np.testing.assert_array_equal(np.isnan(result), expected)
        clean = scipys(np.nan_to_num(image, nan=0.0, posinf=np.inf, neginf=-np.inf), which, sizes)
        np.testing.assert_array_equal(result[~expected], clean[~expected])


@pytest.mark.slow
@pytest.mark.parametrize("which", ["minimum", "maximum"])
def test_half_precision_gives_the_pixels_that_single_precision_gives(which, rng):
    image = noise(rng, "float16", (50, 90)) - np.float16(0.5)
    image.flat[rng.integers(0, image.size, 40)] = np.resize(
        np.float16([np.nan, -np.nan, np.inf, -np.inf, -0.0, 0.0]), 40
    )
    single = image.astype(np.float32)
    for result, expected in (
        (extremum(image, which, (5, 9)), extremum(single, which, (5, 9))),
        (flat(image, which, disk(3)), flat(single, which, disk(3))),
    ):
        assert same_bits(result.astype(np.float32), expected)


@pytest.mark.parametrize("level", ["native", *slow(*LEVELS)], indirect=True)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_rows_that_are_written_around_the_cache_end_where_they_should(level, dtype, rng, monkeypatch):
    """Results begin and rows end anywhere in a cache line."""
    monkeypatch.setattr(tuning, "STREAM_EXTREMA", 0)
    fastsep.clear_caches()
    for width in (128, 131, 191, 192, 300):
        image = noise(rng, dtype, (19, width))
        room = np.empty(image.size + 128, dtype)
        line = -room.ctypes.data % 64 // room.itemsize
        for call, expected in (
            (partial(extremum, sizes=(3, 3)), scipys(image, "minimum", (3, 3))),
            (partial(extremum, sizes=(4, 41)), scipys(image, "minimum", (4, 41))),
            (partial(flat, footprint=disk(2)), scipy.ndimage.minimum_filter(image, footprint=disk(2))),
        ):
            for start in (line, line + 1, line + 15):
                stop = start + image.size
                room[...] = 77
                call(image, "minimum", out=room[start:stop].reshape(image.shape))
                np.testing.assert_array_equal(room[start:stop].reshape(image.shape), expected)
                assert (room[:start] == 77).all()
                assert (room[stop:] == 77).all()


@pytest.mark.parametrize("which", WHICH)
def test_of_two_zeros_the_negative_one_is_smaller(which):
    image = np.array([0.0, -0.0, 0.0, 0.0], np.float32)
    signs = [True, True, True, False] if which == "minimum" else [False] * 4
    assert np.signbit(extremum(image, which, (3,))).tolist() == signs


@pytest.mark.parametrize("mode", MODES[:4])
def test_borders_that_count_twice_change_nothing(mode):
    for before, after, size in np.ndindex(6, 6, 7):
        if size and lies_inside(mode, before, after):
            for at in range(size):
                window = np.arange(at - before, at + after + 1)
                inside = window[(window >= 0) & (window < size)]
                assert set(beyond(window, size, mode)) == set(inside)


@pytest.mark.parametrize(
    ("dtype", "cval", "border"),
    [
        ("uint8", 7.9, 7),
        ("uint8", -5, 0),
        ("uint8", 1e9, 255),
        pytest.param("int8", -3.5, -3, marks=pytest.mark.slow),
        pytest.param("int64", 1e30, 2**63 - 1, marks=pytest.mark.slow),
    ],
)
def test_a_border_is_truncated_to_an_integer_in_range(dtype, cval, border, rng):
    image = noise(rng, dtype)
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(image, 2, constant_values=border), (5, 5))
    for which, expected in (("minimum", windows.min((2, 3))), ("maximum", windows.max((2, 3)))):
        np.testing.assert_array_equal(extremum(image, which, (5, 5), mode="constant", cval=cval), expected)


def test_a_border_of_nan_or_infinity_counts_for_floats(rng):
    image = noise(rng, "float32", (9, 11))
    result = extremum(image, "maximum", (3, 3), mode="constant", cval=np.nan)
    assert np.isnan(result).sum() == 9 * 11 - 7 * 9
    result = extremum(image, "maximum", (3, 3), mode="constant", cval=-np.inf)
    np.testing.assert_array_equal(result, scipys(image, "maximum", 3, mode="nearest"))


def test_layouts_of_an_image_and_results_of_other_dtypes(rng):
    image = noise(rng, "uint8", (30, 50))
    expected = scipys(image, "maximum", (4, 9))
    for name, same in layouts(image).items():
        np.testing.assert_array_equal(extremum(same, "maximum", (4, 9)), expected, name)
    for dtype in ("int64", "float64", "uint8"):
        out = np.zeros(image.shape, dtype)
        assert extremum(image, "maximum", (4, 9), out=out) is out
        np.testing.assert_array_equal(out, expected)
    assert same_bits(extremum(image, "maximum", (4, 9), out=image), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_is_converted(dtype):
    with pytest.raises(_call.NotRun) as found:
        extremum(StandIn((40, 50), np.dtype(dtype)), "minimum", (3, 3))
    assert found.value.direct
    assert found.value.program.describe().arithmetic == dtype


def test_empty_images_and_windows_of_one_pixel(rng):
    assert extremum(np.zeros((0, 5), np.int32), "minimum", (3, 3)).shape == (0, 5)
    image = noise(rng, "float32")
    assert same_bits(extremum(image, "maximum", (1, 1)), image)


def test_results_are_the_same_however_the_image_is_cut(small_images_go_parallel, rng):
    """NaNs of several bit patterns, and zeros of both signs: the same one comes out."""
    patterns = np.array([0x7FC00000, 0xFFC00001, 0x7F800003, 0xFF800001, 0, 0x80000000, 0x3F800000], np.uint32)
    image = rng.choice(patterns, (90, 40)).view(np.float32)
    image = np.where(rng.random(image.shape) < 0.8, np.float32(2), image)
    fastsep.clear_caches()
    for which in WHICH:
        for sizes in ((2, 3), (23, 7), (40, 1)):
            expected = extremum(image, which, sizes, workers=1)
            for workers in (2, 3, 7, 40):
                assert same_bits(extremum(image, which, sizes, workers=workers), expected)

"""Promise: hysteresis keeps what scikit-image keeps, however long and winding the way to a strong pixel is."""

import inspect

import numpy as np
import pytest
import scipy.ndimage as ndi
from helpers import layouts, same_bits

import fastsep
from fastsep._kernels import arguments
from fastsep._ops import hysteresis

skimage_filters = pytest.importorskip("skimage.filters")
pytestmark = pytest.mark.usefixtures("small_images_go_parallel")

WORKERS = (1, 2, 3, 5, 8)
WEAK, STRONG = 1, 2  # with thresholds of 0.5 and 1.5


def assert_same_pixels(image, low, high):
    """Both libraries keep the same, whatever the number of workers; how many pixels."""
    expected = skimage_filters.apply_hysteresis_threshold(image, low, high)
    for workers in WORKERS:
        found = fastsep.apply_hysteresis_threshold(image, low, high, workers=workers)
        assert found.dtype == bool
        np.testing.assert_array_equal(found, expected, err_msg=f"{image.shape} {workers} workers")
    return np.count_nonzero(expected)


def test_signature_extends_that_of_scikit_image():
    ours = list(inspect.signature(fastsep.apply_hysteresis_threshold).parameters)
    theirs = list(inspect.signature(skimage_filters.apply_hysteresis_threshold).parameters)
    assert ours == [*theirs, "out", "workers"]


# ---- images of any kind


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int8", "uint16", "int32", "int64", "float16", "float32", "float64"]
)
@pytest.mark.parametrize("shape", [(300,), (61, 47), (13, 17, 19), (7, 6, 9, 8)])
def test_every_dtype_and_number_of_axes(shape, dtype, rng):
    if dtype == "bool":
        for density in (0.1, 0.6):
            assert_same_pixels(rng.random(shape) < density, 0, 0.5)
        return
    image = (rng.random(shape) * 120).astype(dtype)
    kept = [assert_same_pixels(image, low, high) for low, high in ((50, 118), (40.5, 110), (80, 117.9), (0, 119))]
    assert any(kept)
    image[image % 7 == 0] = -5 if image.dtype.kind in "if" else 0
    assert_same_pixels(image, -3, 115)


def test_every_small_size(rng):
    for rows in (*range(1, 11), 17):
        for cols in (*range(1, 11), *range(15, 20), 31, 33, 63, 64, 65, 66, 67):
            image = rng.random((rows, cols))
            assert_same_pixels(image, 0.4, 0.9)
    for shape in ((3, 1, 5), (1, 1, 1), (1, 7, 1), (2, 2, 2, 2), (1,), (2,), (1, 1, 1, 1, 1), (3, 2, 1, 2, 3)):
        assert_same_pixels(rng.random(shape), 0.3, 0.7)


@pytest.mark.parametrize("shape", [(0,), (0, 4), (4, 0), (2, 0, 3)])
def test_an_empty_image_keeps_nothing(shape):
    found = fastsep.apply_hysteresis_threshold(np.empty(shape), 0.1, 0.2)
    assert (found.shape, found.dtype) == (shape, bool)


@pytest.mark.parametrize("density", [0.3, 0.5, 0.59, 0.65, 0.8])
def test_random_blobs(density, rng):
    """Around a density of 0.59 they wind through the whole image."""
    for shape in ((210, 190), (40, 900), (900, 40)):
        image = (rng.random(shape) < density).astype("uint8")
        image.flat[rng.integers(image.size, size=20)] *= STRONG
        assert_same_pixels(image, 0.5, 1.5)
    image = ndi.gaussian_filter(rng.standard_normal((200, 200)), 2)
    low, high = np.quantile(image, [1 - density, 0.995])
    assert assert_same_pixels(image, low, high)


@pytest.mark.parametrize("dtype", ["uint8", "float64"])
def test_layout_does_not_change_a_pixel(dtype, rng):
    image = (rng.random((31, 37)) * 100).astype(dtype)
    expected = fastsep.apply_hysteresis_threshold(image, 40, 97)
    assert expected.any()
    for layout, same in layouts(image).items():
        before = np.array(same)
        found = fastsep.apply_hysteresis_threshold(same, 40, 97)
        np.testing.assert_array_equal(found, expected, err_msg=layout)
        assert found.flags.c_contiguous
        assert np.array_equal(same, before), layout


# ---- thresholds


def test_arrays_of_thresholds(rng):
    image = rng.random((40, 33))
    row, column = rng.random(33) * 0.6, rng.random((40, 1)) * 0.6
    for low in (0.4, row, column, row + column, row[None].tolist(), np.float32(0.3)):
        for high in (0.9, np.full((40, 33), 0.95), 0.6 + column / 2, np.array(0.8)):
            assert assert_same_pixels(image, low, high)


def test_a_low_threshold_above_the_high_one_counts_as_the_high_one(rng):
    image = rng.random((40, 33))
    assert assert_same_pixels(image, 0.9, 0.4) == np.count_nonzero(image > 0.4)
    assert assert_same_pixels(image, 0.5, rng.random(image.shape))


@pytest.mark.parametrize(("low", "high"), [(-1, 2**64 - 1), (2**63, 2**64 - 2), (0, 2**63), (2**63 + 1, 2**63), (1, 9)])
@pytest.mark.parametrize("dtype", ["uint64", "int64", "float64"])
def test_integers_beyond_int64_are_thresholds_like_any_other(low, high, dtype):
    image = np.array([[0, 2**64 - 1, 2**63, 2**63 + 1, 5]], "uint64").astype(dtype)
    assert_same_pixels(image, low, high)


def test_a_pixel_at_a_threshold_is_not_above_it():
    image = np.array([1.0, 0.5, 0.7, 1.5, 1.6, 0.5, 0.6, 1.5])
    assert fastsep.apply_hysteresis_threshold(image, 0.5, 1.5).tolist() == [0, 0, 1, 1, 1, 0, 0, 0]
    # 0.1 lies below the nearest float32, which is hence above it.
    image = np.float32([0.1, 0.1, 1])
    assert assert_same_pixels(image, 0.1, 0.5) == 3
    assert assert_same_pixels(image, np.float32(0.1), 0.5) == 1
    assert assert_same_pixels(image, np.nextafter(float(np.float32(0.1)), 1), np.float64(0.5)) == 1
    # As in NumPy, a Python number is rounded to the image's dtype, a float64 is not.
    for low in (0.1, np.float64(0.1), np.array(0.1), np.array([0.1])):
        assert_same_pixels(image, low, 0.5)


def test_nan_is_above_nothing_and_infinity_above_all(rng):
    image = rng.random((20, 30))
    image[3, :] = np.nan
    image[9, ::2] = np.inf
    image[12, 5] = -np.inf
    assert assert_same_pixels(image, 0.3, 0.99)
    assert assert_same_pixels(image.astype("float32"), 0.3, 0.99)
    assert assert_same_pixels(image, -np.inf, 0.99)
    assert not assert_same_pixels(image, 0.3, np.inf)
    assert not assert_same_pixels(image, 0.3, np.nan)
    # scikit-image keeps all pixels here.
    assert not fastsep.apply_hysteresis_threshold(image, np.nan, 0.5).any()


# ---- shapes that cross from band to band


def spiral(side):
    """One line that turns inwards, one pixel wide, one pixel apart."""
    image = np.zeros((side, side), np.uint8)
    y, x, dy, dx = 0, 0, 0, 1
    image[0, 0] = WEAK
    while True:
        ahead = y + 2 * dy, x + 2 * dx
        if not (0 <= ahead[0] < side and 0 <= ahead[1] < side) or image[ahead]:
            dy, dx = dx, -dy
            ahead = y + 2 * dy, x + 2 * dx
            if not (0 <= ahead[0] < side and 0 <= ahead[1] < side) or image[ahead]:
                return image
        for _ in range(2):
            y, x = y + dy, x + dx
            image[y, x] = WEAK


def snake(rows, cols):
    """Columns, joined at the top and at the bottom by turns."""
    image = np.zeros((rows, cols), np.uint8)
    image[:, ::2] = WEAK
    image[0, 1::4] = image[-1, 3::4] = WEAK
    return image


def comb(rows, cols, teeth):
    """Teeth below a line."""
    image = np.zeros((rows, cols), np.uint8)
    image[: rows - teeth, 0] = image[rows - teeth] = WEAK
    image[rows - teeth :, ::2] = WEAK
    return image


def assert_all_or_none(image, *seeds):
    """Of a shape in one piece all is kept if one of its pixels is strong."""
    assert not assert_same_pixels(image, 0.5, 1.5)
    for seed in seeds:
        image[seed] = STRONG
        assert assert_same_pixels(image, 0.5, 1.5) == np.count_nonzero(image)
        image[seed] = WEAK


def test_a_spiral():
    for side in (31, 97):
        image = spiral(side)
        assert_all_or_none(image, (0, 0), tuple(np.argwhere(image)[image.sum() // 2]))


def test_a_snake_that_crosses_every_band_many_times():
    for shape in ((40, 201), (201, 41), (9, 1001)):
        image = snake(*shape)
        assert_all_or_none(image, (0, 0), (shape[0] - 1, shape[1] - 1), (shape[0] // 2, shape[1] // 4 * 2))
        assert_all_or_none(np.ascontiguousarray(image.T), (0, 0), (shape[1] // 4 * 2, shape[0] // 2))
    image = np.stack([snake(12, 31) for _ in range(9)])
    image[1::2] = 0
    image[1::4, 0, 0] = image[3::4, -1, -1] = WEAK
    assert_all_or_none(image, (0, 0, 0), (8, 0, 0), (4, 11, 30))


def test_two_snakes_stay_apart():
    image = snake(60, 203)
    image[:, 101] = image[:, 100] = 0  # between them
    image[0, 0] = STRONG
    assert assert_same_pixels(image, 0.5, 1.5) == np.count_nonzero(image[:, :100])


def test_more_lines_wait_than_the_stack_has_room_for():
    """Teeth of a comb, on either side of where bands meet."""
    cols = 5 * arguments.STACK_WORDS // 2
    for rows, teeth in ((6, 2), (20, 6), (20, 14), (21, 1)):
        image = comb(rows, cols, teeth)
        assert_all_or_none(image, (0, 0), (rows - 1, cols // 2))
        assert_all_or_none(np.ascontiguousarray(image[::-1]), (0, cols // 2))


def test_a_filled_blob_and_a_tree_of_combs(rng):
    image = np.full((300, 400), WEAK, np.uint8)
    assert_all_or_none(image, (0, 0), (299, 399), (150, 200))
    image = np.zeros((131, 2 * arguments.STACK_WORDS // 16), np.uint8)
    image[::8] = WEAK
    image[:, ::2] = WEAK
    image[4::8, 2::4] = 0
    image.flat[rng.integers(image.size, size=5)] = STRONG
    assert assert_same_pixels(image, 0.5, 1.5)


def assert_tracked(codes, diagonal):
    """Of `codes`, which are zero at the border, those in one piece with a strong one are kept; how many."""
    labels, count = ndi.label(codes, ndi.generate_binary_structure(codes.ndim, codes.ndim if diagonal else 1))
    strong = np.zeros(count + 1, bool)
    strong[labels[codes == arguments.STRONG]] = True
    expected = strong[labels]
    for workers in WORKERS:
        kept = codes.copy()
        hysteresis.track(kept, diagonal, workers)
        np.testing.assert_array_equal(kept, expected, err_msg=f"{codes.shape} {workers} workers")
    return np.count_nonzero(expected)


def test_diagonals_touch_in_canny_only():
    """A checkerboard: no two pixels share a side, and all are connected across their corners."""
    board = np.indices((120, 600)).sum(axis=0) % 2 == 0
    image = board.astype("uint8")
    image[60, 300] = STRONG
    assert assert_same_pixels(image, 0.5, 1.5) == 1
    for size in ((122, 602), (7, 2 * arguments.STACK_WORDS + 2000)):
        codes = np.zeros(size, np.uint8)
        inside = codes[1:-1, 1:-1]
        inside[...] = np.indices(inside.shape).sum(axis=0) % 2 == 0
        inside[1::5, 4::6] = 0
        inside[size[0] // 2, ::2] = 0  # which cuts some of the diagonals
        inside[0, 0] = arguments.STRONG
        assert_tracked(codes, diagonal=True)


# ---- a stack for a few pixels only, so that most are found by looking for them again


@pytest.fixture(params=[1, 2, 3, 10])
def small_stack(request, tmp_path, monkeypatch, restart):
    """A kernel compiled for the test, with room for one pixel less than it has words."""
    monkeypatch.setattr(arguments, "STACK_WORDS", request.param)
    monkeypatch.setenv("FASTSEP_CACHE_DIR", str(tmp_path / "cache"))  # no other kernel has the same key
    compiled = restart()
    yield
    assert ("hysteresis",) in compiled


def bordered(image):
    """The codes of an image of WEAK and STRONG pixels."""
    return np.pad(np.array([0, arguments.WEAK, arguments.STRONG], np.uint8)[image], 1)


@pytest.mark.slow
@pytest.mark.usefixtures("small_stack")
def test_random_blobs_on_a_small_stack(rng):
    for shape in ((83, 71), (30, 200), (200, 30), (12, 13, 17)):
        for density in (0.25, 0.4, 0.6, 0.8):
            image = (rng.random(shape) < density).astype("uint8")
            image.flat[rng.integers(image.size, size=10)] *= STRONG
            for diagonal in (False, True):
                assert assert_tracked(bordered(image), diagonal)


@pytest.mark.slow
@pytest.mark.usefixtures("small_stack")
def test_shapes_in_one_piece_on_a_small_stack():
    for image in (spiral(31), spiral(97), snake(40, 101), comb(20, 300, 14), comb(20, 300, 14)[::-1]):
        pixels = np.argwhere(image)
        for seed in (pixels[0], pixels[len(pixels) // 2], pixels[-1]):
            seeded = image.copy()
            seeded[tuple(seed)] = STRONG
            for diagonal in (False, True):
                assert assert_tracked(bordered(seeded), diagonal) == len(pixels)
        assert not assert_tracked(bordered(image), diagonal=True)


# ---- out


def test_out_is_written_and_returned(rng):
    image = rng.random((20, 31))
    expected = fastsep.apply_hysteresis_threshold(image, 0.4, 0.9)
    for out in (
        np.empty((20, 31), bool),
        np.empty((31, 20), bool).T,
        np.empty((40, 62), bool)[::-2, ::2],
    ):
        for value in (False, True):
            out[...] = value
            assert fastsep.apply_hysteresis_threshold(image, 0.4, 0.9, out=out) is out
            np.testing.assert_array_equal(out, expected)


def test_the_image_may_be_out(rng):
    image = rng.random((20, 31)) < 0.6
    high = np.where(rng.random(image.shape) < 0.05, 0, 2)
    expected = skimage_filters.apply_hysteresis_threshold(image, 0, high)
    assert 0 < expected.sum() < image.sum()
    for view in (image, image[::-1]):
        kept = image.copy()
        out = kept if view is image else kept[::-1]
        fastsep.apply_hysteresis_threshold(kept, 0, high, out=out)
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(
    ("image", "low", "high", "out", "exception", "message"),
    [
        (np.ones((4, 5)), 0.1, 0.2, np.ones((4, 5)), ValueError, "`out` must be bool"),
        (np.ones((4, 5)), 0.1, 0.2, np.ones((5, 4), bool), ValueError, "`out`.*shape"),
        (np.ones((4, 5)), 0.1, 0.2, [], TypeError, "`out`"),
        (np.ones((4, 5)), np.ones(3), 0.2, None, ValueError, "`low`.*shape"),
        (np.ones((4, 5)), 0.1, np.ones((2, 4, 5)), None, ValueError, "`high`.*shape"),
        (np.ones((4, 5)), "a", 0.2, None, ValueError, "`low`"),
        (np.ones((4, 5)), 0.1, 1j, None, ValueError, "`high`"),
        (np.ones((4, 5)) * 1j, 0.1, 0.2, None, ValueError, "`image`"),
        (np.float64(1), 0.1, 0.2, None, ValueError, "`image`"),
        (np.ma.ones((4, 5)), 0.1, 0.2, None, ValueError, "`image`.*masked"),
    ],
)
def test_a_bad_argument_gets_one_line(image, low, high, out, exception, message):
    before = np.array(out)
    with pytest.raises(exception, match=message) as caught:
        fastsep.apply_hysteresis_threshold(image, low, high, out=out)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(np.array(out), before)


def test_lists_are_taken_as_arrays():
    found = fastsep.apply_hysteresis_threshold([[1, 2, 0], [0, 3, 1]], 0.5, 2.5)
    assert same_bits(found, np.array([[1, 1, 0], [0, 1, 1]], bool))

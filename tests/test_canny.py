"""Promise: Canny's edges are those of scikit-image, pixel for pixel."""

import inspect
import itertools

import numpy as np
import pytest
from helpers import MODES, assert_refused, layouts, noise, same_bits, slow

import fastsep

data = pytest.importorskip("skimage.data")
feature = pytest.importorskip("skimage.feature")

DTYPES = ("uint8", "uint16", "int8", "int16", "int32", "uint32", "bool", "float64")
SIZES = (*range(1, 11), *range(15, 20), 24)


def largest(image):
    return float(np.iinfo(image.dtype).max) if image.dtype.kind in "iu" else 1.0


def assert_same_edges(image, *arguments, workers=None, **options):
    """Both libraries find the same edges; how many."""
    with np.errstate(all="ignore"):  # NaN and infinity, of which scikit-image warns
        expected = feature.canny(image, *arguments, **options)
    found = fastsep.canny(image, *arguments, workers=workers, **options)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, expected, err_msg=f"{image.dtype} {image.shape} {arguments} {options}")
    return np.count_nonzero(found)


# ---- the signature, dtypes and layouts


def test_signature_extends_that_of_scikit_image():
    ours = list(inspect.signature(fastsep.canny).parameters.values())
    theirs = list(inspect.signature(feature.canny).parameters.values())
    assert [(p.name, p.kind, p.default) for p in ours[: len(theirs)]] == [(p.name, p.kind, p.default) for p in theirs]
    assert [p.name for p in ours[len(theirs) :]] == ["out", "dtype", "workers"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_edges_of_noise(dtype, rng):
    for shape in ((37, 43), (64, 130)):
        image = noise(rng, dtype, shape)
        for sigma in (0, 0.6, 1, 2.2):
            assert assert_same_edges(image, sigma)
        assert assert_same_edges(image, 1, 0.3 * largest(image), 0.9 * largest(image))


@pytest.mark.parametrize("dtype", DTYPES)
def test_layout_does_not_change_an_edge(dtype, rng):
    image = noise(rng, dtype)
    expected = fastsep.canny(image)
    for layout, same in {**layouts(image), "transposed": image.T.copy().T, "rows reversed": image[::-1][::-1]}.items():
        before = np.array(same)
        np.testing.assert_array_equal(fastsep.canny(same), expected, err_msg=layout)
        assert np.array_equal(same, before), layout
    for view in (image.T, image[::-1], image[:, ::-1], image[::2, 3::3]):
        assert_same_edges(view)


@pytest.mark.parametrize("dtype", ["int64", "uint64", "longlong", "ulonglong", ">i8"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"low_threshold": 0, "high_threshold": 1},
        {"low_threshold": 0.7, "high_threshold": 0.9, "use_quantiles": True},
        {"mask": np.ones((8, 9), bool)},
        {"dtype": "float32"},
        {"mode": "nearest"},
    ],
    ids=str,
)
def test_integers_of_64_bits_are_refused_as_in_scikit_image(dtype, options):
    # Their range is what thresholds would be measured by: no edge of an image of 0 and 255 comes near to it.
    image = np.zeros((8, 9), dtype)
    image[2:6, 3:7] = 255
    assert_refused(
        lambda: fastsep.canny(image, **options), ValueError, rf"`image`.*64 bits.*got {image.dtype}\..*image\.astype\("
    )
    if dtype in ("int64", "uint64"):
        options.pop("dtype", None)
        with pytest.raises(ValueError, match="64-bit"):
            feature.canny(image, **options)


def test_lists_of_integers_are_of_64_bits_and_those_of_floats_are_not():
    image = np.zeros((8, 9))
    image[2:6, 3:7] = 1
    with pytest.raises(ValueError, match="64 bits"):
        fastsep.canny(image.astype(int).tolist())
    np.testing.assert_array_equal(fastsep.canny(image.tolist(), 0.5), feature.canny(image, 0.5))


def test_other_floats_are_computed_in_the_nearest_one(rng):
    half = noise(rng, "float16")
    np.testing.assert_array_equal(fastsep.canny(half), fastsep.canny(half.astype("float32")))
    wide = noise(rng, "longdouble")
    np.testing.assert_array_equal(fastsep.canny(wide), feature.canny(wide.astype("float64")))


# ---- options


@pytest.mark.parametrize("mode", [*MODES, *itertools.combinations(MODES, 2), ("constant", "constant")])
def test_every_mode_on_either_axis(mode, rng):
    for dtype in ("uint8", "int16", "float64"):
        image = noise(rng, dtype)
        for cval in (0.0, 1.0, 0.3, -2.0):
            for sigma in (0.7, 3):  # the second one reaches from border to border
                assert_same_edges(image[:19], sigma, mode=mode, cval=cval)


@pytest.mark.parametrize("cval", [np.nan, np.inf, 1e300])
def test_a_border_that_is_no_number(cval, rng):
    for dtype in ("uint8", "float64"):
        assert_same_edges(noise(rng, dtype), 0.8, mode="constant", cval=cval)


@pytest.mark.parametrize("sigma", [0, 1e-16, 0.2, 0.5, 1, 1.7, 3, (0, 2), (2, 0), (0.4, 1.3), [1, 3]])
def test_every_sigma(sigma, rng):
    for dtype in ("uint8", "float64"):
        assert assert_same_edges(noise(rng, dtype), sigma, 0, 0, mode="nearest")
        assert assert_same_edges(noise(rng, dtype, (5, 61)), sigma, 0, 0)
        assert_same_edges(noise(rng, dtype, (50, 20)), sigma)


@pytest.mark.parametrize(
    ("low", "high"),
    [(None, None), (0, 0), (0, None), (-1, 0.5), (-2, -1), (0.3, 0.3), (0.2, 1.1), (20, 30), (0, 1e300), (None, 0.9)],
)
def test_thresholds_are_on_the_scale_of_the_image(low, high, rng):
    for dtype in DTYPES:
        image = noise(rng, dtype)
        scaled = [None if value is None else value * largest(image) for value in (low, high)]
        for sigma in (0, 1):
            assert_same_edges(image, sigma, *scaled)
    if low == 20:  # above everything
        assert not fastsep.canny(image, 0, low, high).any()


def test_thresholds_that_are_no_numbers_are_above_everything(rng):
    image = noise(rng, "float64")
    for low, high in ((np.nan, 0.2), (0.1, np.nan), (np.nan, np.nan), (0.1, np.inf), (-np.inf, 0.2)):
        assert_same_edges(image, 1, low, high)


def test_the_low_threshold_is_rounded_to_float32():
    """As in scikit-image: what reaches it before it is rounded up is no edge."""
    image = np.zeros((9, 12))
    image[:, 6:] = 0.1  # a magnitude of 4 times as much
    assert float(np.float32(0.4)) > 4 * 0.1 >= 0.4
    assert not assert_same_edges(image, 0, 0.4, 0.4, mode="nearest")
    assert assert_same_edges(image, 0, 0.4 - 1e-8, 0.4, mode="nearest")


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.9), (0.0, 1.0), (0.8, 0.8), (0.0, 0.0), (1.0, 1.0), (None, 0.7)])
def test_thresholds_as_quantiles(low, high, rng):
    for dtype in DTYPES:
        image = noise(rng, dtype)
        for mask in (None, rng.random(image.shape) < 0.95):
            assert_same_edges(image, 1.2, low, high, mask, True)


@pytest.mark.parametrize("mode", ["constant", "nearest", "wrap"])
def test_masks(mode, rng):
    for dtype in DTYPES:
        image = noise(rng, dtype)
        blob = np.zeros(image.shape, bool)
        blob[5:30, 8:40] = True
        single = np.zeros(image.shape, bool)
        single[17, 20] = True
        for mask in (
            rng.random(image.shape) < 0.97,
            blob,
            np.ones_like(blob),
            single,
            np.zeros_like(blob),
            np.where(blob, 7, 0),
            blob.astype(float),
            np.asfortranarray(blob),
        ):
            for cval in (0.0, 0.5):
                found = assert_same_edges(image, 0.9, mask=mask, mode=mode, cval=cval)
            assert not found or np.count_nonzero(mask) > 1


def test_a_mask_does_not_let_through_what_it_hides(rng):
    image = noise(rng, "float64")
    mask = rng.random(image.shape) < 0.98
    expected = fastsep.canny(image, mask=mask)
    image[~mask] = np.nan
    np.testing.assert_array_equal(fastsep.canny(image, mask=mask), expected)


# ---- sizes


@pytest.mark.parametrize("share", [2, *slow(1)])
@pytest.mark.parametrize("rows", SIZES)
def test_every_small_size(rows, share, rng):
    for cols in SIZES:
        for number, dtype in enumerate(("uint8", "float64")):
            if (rows + cols + number) % share:  # each dtype meets every second size
                continue
            image = noise(rng, dtype, (rows, cols))
            assert_same_edges(image, 0)
            assert_same_edges(image, 0.8, mode=MODES[(rows + cols) % 5])
            assert_same_edges(image, mask=rng.random(image.shape) < 0.9)


def test_long_and_narrow_images(rng):
    for shape in ((3, 200), (200, 3), (1, 300), (300, 1), (4, 1000), (1000, 5)):
        for dtype in ("uint8", "float64"):
            for sigma in (0, 1, 4):
                assert_same_edges(noise(rng, dtype, shape), sigma)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_an_empty_image_has_no_edges(shape):
    for options in ({}, {"mask": np.ones(shape, bool)}, {"out": np.ones(shape, bool)}, {"use_quantiles": True}):
        found = fastsep.canny(np.empty(shape), **options)
        assert (found.shape, found.dtype) == (shape, bool)


# ---- pictures


@pytest.mark.parametrize("name", ["camera", "coins"])
def test_edges_of_photographs(name):
    photo = getattr(data, name)()
    assert assert_same_edges(photo, 2)
    quick = photo[::2, ::2]
    for image in (quick, quick / 255.0, np.ascontiguousarray(quick).astype("uint16") << 8):
        for sigma in (0, 1, 3):
            assert assert_same_edges(image, sigma)
            assert assert_same_edges(image, sigma, 0.7, 0.95, use_quantiles=True)
    assert assert_same_edges(quick, 1, 20, 60, mode="reflect")
    assert assert_same_edges(quick, 1, mask=quick > 60)


def test_no_edge_in_a_constant_image():
    for value in (0, 1, 77, 255):
        image = np.full((20, 21), value, np.uint8)
        for mode in MODES:
            assert assert_same_edges(image, 1.3, mode=mode) == fastsep.canny(image, 1.3, mode=mode).sum()
        assert not fastsep.canny(image, 2).any()
    assert not fastsep.canny(np.full((20, 21), 0.1), 1, 0, 0, mode="reflect").any()


def pictures():
    """Where many magnitudes are equal, to the last bit or nearly so."""
    step = np.zeros((20, 22))
    step[:, 11:] = 1
    yield step
    yield step.T.copy()
    yield np.tri(21)
    yield np.tri(21)[::-1].copy()
    yield np.add.outer(np.arange(20), np.arange(23)) / 40
    yield np.indices((18, 21)).sum(axis=0) % 2
    yield np.kron(np.indices((6, 7)).sum(axis=0) % 2, np.ones((3, 4)))
    ring = np.hypot(*np.mgrid[-12:13, -12:13])
    yield (ring < 8).astype(float)
    yield np.abs(ring - 7) / 10
    yield np.where((np.mgrid[:20, :20] == 10).any(axis=0), 1.0, 0.0)
    single = np.zeros((11, 12))
    single[5, 6] = 1
    yield single
    yield -single


def test_ties():
    for image in pictures():
        for sigma in (0, 0.5, 1, 2):
            for low, high in ((None, None), (0, 0), (0.5, 2.0)):
                for mode in ("constant", "nearest"):
                    assert_same_edges(np.ascontiguousarray(image, float), sigma, low, high, mode=mode)
        if image.min() >= 0:
            assert_same_edges((image * 255).astype(np.uint8), 1)
            assert_same_edges((image * 255).astype(np.uint8), 0, 100, 510)


def test_edges_of_images_of_few_values(rng):
    """Ties everywhere, in all directions, and magnitudes exactly at the thresholds."""
    for count in (2, 3, 4):
        for _ in range(4):
            image = rng.integers(0, count, (40, 45))
            for dtype, unit in (("float64", 0.25), ("uint8", 64)):
                for sigma in (0, (0, 0.5), 1):
                    assert_same_edges((image * unit).astype(dtype), sigma, unit, 4 * unit)
                    assert_same_edges((image * unit).astype(dtype), sigma, 0, 4 * unit, mode="mirror")
            # Finite derivatives, equal on both axes at many pixels, and infinite magnitudes.
            assert_same_edges(image * 1e200, 0, 0, 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200, -1e308 / 32, 5e-324])
def test_values_that_are_no_numbers_or_no_usual_ones(value, rng):
    for sigma in (0, 0.6, 2):
        for mode in ("constant", "nearest", "wrap"):
            image = noise(rng, "float64")
            image[7, 9] = image[20, 30] = image[20, 31] = value
            image[0, 0] = -value
            assert_same_edges(image, sigma, mode=mode)
            assert_same_edges(image, sigma, 0, 0, mode=mode)
            assert_same_edges(image, sigma, mask=rng.random(image.shape) < 0.9, mode=mode)
    assert_same_edges(np.full((9, 10), value))


@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e-30, 1e30, 1e150, 1e300])
def test_images_of_any_scale(scale, rng):
    for sigma in (0, 1):
        image = noise(rng, "float64") * scale
        for low, high in ((0, 0), (scale, 2 * scale), (0, scale)):
            assert_same_edges(image, sigma, low, high, mode="nearest")


# ---- float32

#: float32 rounds at 1e-7 of the range, twice the error of a magnitude's interpolated neighbours is below 1e-6 of it,
#: and gradients of photographs spread over a tenth of it: of 10^5 decisions one is that close. It may join or cut an
#: edge of some ten pixels.
CLOSE = 1e-4


@pytest.mark.parametrize("name", ["camera", "coins", "page"])
def test_few_pixels_differ_in_float32(name):
    photo = getattr(data, name)()
    image = photo.astype("float32") / 255
    for sigma in (0, 1, 2):
        expected = feature.canny(image, sigma)
        assert expected.any()
        assert np.mean(fastsep.canny(image, sigma) != expected) <= CLOSE
        assert np.mean(fastsep.canny(photo, sigma, dtype=np.float32) != feature.canny(photo, sigma)) <= CLOSE
    for mask in (None, photo > 50):
        expected = feature.canny(image, 1, 0.6, 0.9, mask, True)
        assert np.mean(fastsep.canny(image, 1, 0.6, 0.9, mask, True) != expected) <= CLOSE


@pytest.mark.slow
def test_float32_takes_every_mode():
    photo = data.camera()[100:300, 150:350]
    for mode in (*MODES, ("wrap", "constant")):
        for cval in (0.0, 0.25):
            expected = feature.canny(photo, mode=mode, cval=cval)
            found = fastsep.canny(photo, mode=mode, cval=cval, dtype="float32")
            assert np.mean(found != expected) <= CLOSE


@pytest.mark.parametrize("dtype", ["int16", "int32", "uint32", *slow("uint16")])
def test_float32_takes_every_integer_dtype(dtype):
    image = data.camera()[100:300, 150:350].astype(dtype) * (np.iinfo(dtype).max // 255)
    found = fastsep.canny(image, 1, 0.1 * largest(image), 0.2 * largest(image), dtype="float32")
    assert np.mean(found != feature.canny(image / largest(image), 1, 0.1, 0.2)) <= CLOSE


def test_a_float32_image_may_be_computed_in_float64(rng):
    image = noise(rng, "float32")
    for sigma in (0, 1, 2):
        found = fastsep.canny(image, sigma, dtype=np.float64)
        np.testing.assert_array_equal(found, feature.canny(image.astype(float), sigma))
    native = fastsep.canny(noise(rng, "uint8"), dtype="float64")
    assert native.any()


# ---- out


def test_out_is_written_and_returned(rng):
    for dtype in ("uint8", "float32", "float64"):
        image = noise(rng, dtype)
        rows, cols = image.shape
        expected = fastsep.canny(image)
        for out in (
            np.empty((rows, cols), bool),
            np.empty((cols, rows), bool).T,
            np.empty((2 * rows, 3 * cols), bool)[::-2, ::3],
            np.empty((rows + 2, cols), bool)[1:-1],
            np.empty((rows, cols), bool).view(np.recarray),
        ):
            for value in (False, True):
                out[...] = value
                assert fastsep.canny(image, out=out) is out
                np.testing.assert_array_equal(np.asarray(out), expected)


def test_out_leaves_its_surroundings_alone(rng):
    image = noise(rng, "uint8")
    memory = np.ones((image.shape[0] + 2, image.shape[1]), bool)
    fastsep.canny(image, out=memory[1:-1])
    assert memory[0].all()
    assert memory[-1].all()


def test_out_may_overlap_the_image_and_the_mask(rng):
    memory = noise(rng, "bool", (40, 23))
    image = memory[:30].copy()
    expected = fastsep.canny(image, 1)
    assert expected.any()
    for out in (memory[:30], memory[10:], memory[:30][::-1]):
        memory[:30] = image
        assert fastsep.canny(memory[:30], 1, out=out) is out
        np.testing.assert_array_equal(out, expected)
    mask = rng.random(image.shape) < 0.95
    expected = fastsep.canny(image, 1, mask=mask)
    np.testing.assert_array_equal(fastsep.canny(image, 1, mask=mask, out=mask), expected)


def test_nothing_is_written_when_a_call_is_refused(rng):
    image = noise(rng, "float64", (8, 9))
    before = image.copy()
    for out in (np.full((8, 9), 7, np.uint8), np.full((8, 9), 7.0), np.ones((9, 8), bool), np.ones((8, 9, 1), bool)):
        kept = out.copy()
        with pytest.raises(ValueError, match="`out`"):
            fastsep.canny(image, out=out)
        np.testing.assert_array_equal(out, kept)
    out = np.ones((8, 9), bool)
    for bad in (
        {"low_threshold": 2, "high_threshold": 1},
        {"use_quantiles": True, "low_threshold": 2, "high_threshold": 3},
        {"mask": np.ones((9, 8), bool)},
        {"mode": "edge"},
        {"sigma": -1},
        {"dtype": "uint8"},
        {"workers": 0},
    ):
        with pytest.raises(ValueError, match="`"):
            fastsep.canny(image, out=out, **bad)
        assert out.all()
    np.testing.assert_array_equal(image, before)


# ---- threads, and what is remembered


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.usefixtures("small_images_go_parallel")
def test_the_number_of_workers_does_not_change_an_edge(dtype, rng):
    for shape in ((211, 67), (64, 200), (17, 5), (3, 90)):
        image = noise(rng, dtype, shape)
        mask = rng.random(shape) < 0.95
        for options in (
            {},
            {"sigma": 0, "low_threshold": 0, "high_threshold": 2 * largest(image)},
            {"sigma": 3, "mode": "wrap"},
            {"mask": mask},
            {"use_quantiles": True, "low_threshold": 0.5, "high_threshold": 0.9},
        ):
            expected = fastsep.canny(image, workers=1, **options)
            for workers in (2, 3, 5, 8):
                out = np.ones(shape, bool)
                fastsep.canny(image, workers=workers, out=out, **options)
                assert same_bits(out, expected), (shape, workers, options)


def test_remembered_stages_do_not_serve_another_call(rng):
    image = noise(rng, "float64")
    for _ in range(2):
        for sigma in (1, 2, (1, 2), (2, 1)):
            for options in ({}, {"mode": "wrap"}, {"cval": 1.0}, {"low_threshold": 0.3, "high_threshold": 0.5}):
                assert_same_edges(image, sigma, **options)
                assert_same_edges(np.ascontiguousarray(image.T), sigma, **options)


def test_lists_and_subclasses_are_taken_as_plain_arrays(rng):
    image = noise(rng, "float64")
    expected = fastsep.canny(image)
    np.testing.assert_array_equal(fastsep.canny(image.tolist()), expected)
    found = fastsep.canny(image.view(np.recarray), mask=np.ones(image.shape, int).tolist())
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, feature.canny(image, mask=np.ones(image.shape, bool)))

"""The thresholds of `fastsep edges` where none are given: parts of the range of what is in the file."""

import numpy as np
import pytest
from helpers import slow
from picture_files import grey_of, load, save

import fastsep

pytest.importorskip("PIL")
tifffile = pytest.importorskip("tifffile")

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def grey(photo):
    """A picture of 8 bits that uses all of them."""
    values = grey_of(photo).astype(float)
    return np.rint(255 * (values - values.min()) / np.ptp(values)).astype(np.uint8)


def edges(command, *options):
    assert command("edges", "a.tif", "-o", "e.png", *options) == (0, "wrote e.png\n", "")
    return load("e.png") == 255


SCALES = {
    "16 bits": lambda x: x.astype(np.uint16) * 257,
    "12 bits in 16": lambda x: x.astype(np.uint16) * 16,
    "10 bits that stand high": lambda x: x.astype(np.uint16) * 4 + 20_000,
    "float32 of 0 to 255": lambda x: x.astype(np.float32),
    "float32 that stands high": lambda x: (60_000 + x / 64).astype(np.float32),  # exact
    "float64 of 0 to 1": lambda x: x / 255,
    "float64 of -3e5 to 2e5": lambda x: x * (5e5 / 255) - 3e5,
    "float32 of 0 to 1e-6": lambda x: (x * 1e-6 / 255).astype(np.float32),
}


#: Of more than 8 bits pictures have kernels of their own: Canny's are enough for every day.
SOME_SCALES = [pytest.param(scale, marks=[pytest.mark.slow] * ("bits" in scale)) for scale in SCALES]


@pytest.mark.parametrize("scale", SCALES)
def test_one_picture_has_the_same_edges_whatever_its_scale(command, grey, scale):
    expected = fastsep.canny(grey)
    assert 0.02 < expected.mean() < 0.5
    pixels = SCALES[scale](grey)
    tifffile.imwrite("a.tif", pixels)
    found = edges(command)
    # float32 rounds, so that a decision that is close may fall otherwise.
    assert np.count_nonzero(found != expected) <= (expected.size // 200 if pixels.dtype == np.float32 else 0)


@pytest.mark.parametrize("scale", SOME_SCALES)
@pytest.mark.parametrize("method", ["sobel", *slow("farid")])
def test_parts_of_the_range_are_the_same_whatever_the_scale(command, grey, scale, method):
    strength = getattr(fastsep, method)(grey)
    expected = fastsep.apply_hysteresis_threshold(strength, 0.0503, 0.1507)
    assert 0.02 < expected.mean() < 0.7
    tifffile.imwrite("a.tif", SCALES[scale](grey))
    found = edges(command, "--method", method, "--low", 0.0503, "--high", 0.1507)
    assert np.count_nonzero(found != expected) <= expected.size // 200


@pytest.mark.parametrize("scale", SOME_SCALES)
def test_edges_of_a_blurred_picture_are_the_same_whatever_its_scale(command, grey, scale):
    strength = fastsep.sobel(fastsep.gaussian(grey, 2))
    expected = fastsep.apply_hysteresis_threshold(strength, 0.0253, 0.0757)
    assert 0.02 < expected.mean() < 0.7
    tifffile.imwrite("a.tif", SCALES[scale](grey))
    found = edges(command, "--method", "sobel", "--sigma", 2, "--low", 0.0253, "--high", 0.0757)
    assert np.count_nonzero(found != expected) <= expected.size // 200


@pytest.mark.parametrize("span", [255, 200, 40, 2])
def test_with_8_bits_the_thresholds_are_those_of_canny(command, grey, span):
    """Also where a picture does not use them all: an empty page stays empty."""
    pixels = (grey * (span / 255)).astype(np.uint8)
    tifffile.imwrite("a.tif", pixels)
    assert np.array_equal(edges(command), fastsep.canny(pixels))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_few_hot_pixels_do_not_hide_the_edges(command, rng, dtype):
    pixels = np.zeros((200, 200), dtype)
    pixels[60:140, 60:140] = 4000
    tifffile.imwrite("a.tif", pixels)
    expected = edges(command)
    assert 0 < expected.mean() < 0.1
    pixels[5, 7] = pixels[180, 20] = pixels[100, 9] = 65_000
    tifffile.imwrite("a.tif", pixels)
    assert (edges(command) >= expected).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.float64])
def test_where_all_but_a_few_pixels_are_alike_these_count(command, dtype):
    pixels = np.zeros((150, 150), dtype)
    pixels[70:73, 70:73] = 900
    tifffile.imwrite("a.tif", pixels)
    assert edges(command).any()


def test_values_that_are_not_finite_do_not_count(command, grey):
    pixels = grey.astype(np.float64)
    tifffile.imwrite("a.tif", pixels)
    expected = edges(command)
    pixels[0, :3] = np.nan, np.inf, -np.inf
    tifffile.imwrite("a.tif", pixels)
    assert np.array_equal(edges(command)[10:], expected[10:])


@pytest.mark.parametrize("value", [0, 7, np.nan, np.inf])
def test_pictures_of_one_value_have_no_edges(command, value):
    tifffile.imwrite("a.tif", np.full((9, 9), value, np.float32))
    assert not edges(command).any()
    assert not edges(command, "--method", "sobel", "--low", 0.1, "--high", 0.2).any()


def test_one_threshold_is_given_and_the_other_follows(command, grey):
    tifffile.imwrite("a.tif", grey.astype(np.float64))
    assert np.array_equal(edges(command, "--low", 5), fastsep.canny(grey, 1, 5, 51))
    assert np.array_equal(edges(command, "--high", 90), fastsep.canny(grey, 1, 25.5, 90))
    status, _, err = command("edges", "a.tif", "-o", "e.png", "--low", 60)
    assert status == 1
    assert err == ("fastsep edges: a.tif: --low is 60 and --high 51, one of them by default: --high is needed, too\n")


def test_large_pictures_are_sampled(command, rng, monkeypatch):
    pixels = rng.random((300, 400)) * 50
    pixels[100:200, 100:200] += 300
    save("a.tif", pixels.astype(np.float32))
    expected = edges(command, "--sigma", 2)
    monkeypatch.setattr("fastsep._cli.large.SAMPLE", 1000)
    assert expected.any()
    assert np.array_equal(edges(command, "--sigma", 2), expected)  # the step is far above both thresholds

"""What calls for images with missing pixels refuse, with one line each."""

import numpy as np
import pytest
from helpers import assert_refused

import fastsep
import fastsep.ndimage as ndi

NAN = float("nan")
IMAGE, BYTES = np.ones((8, 9)), np.ones((8, 9), np.uint8)
REFUSED = {
    "negative weights": (lambda: fastsep.gaussian(IMAGE, weights=-IMAGE), ValueError, r"`weights`.*not negative.*-1"),
    "weights of NaN": (lambda: fastsep.box(IMAGE, 3, weights=NAN * IMAGE), ValueError, r"`weights`.*finite.*nan"),
    "huge weights": (lambda: fastsep.box(IMAGE, 3, weights=[[1e16]]), ValueError, r"`weights`.*at most 1e\+15.*1e\+16"),
    "infinite weights": (lambda: fastsep.box(IMAGE, 3, weights=np.inf * IMAGE), ValueError, r"`weights`.*finite.*inf"),
    "complex weights": (lambda: fastsep.box(IMAGE, 3, weights=1j * IMAGE), ValueError, r"`weights`.*real"),
    "masked weights": (lambda: fastsep.box(IMAGE, 3, weights=np.ma.array(IMAGE)), ValueError, r"`weights`.*masked"),
    "weights of a wrong shape": (
        lambda: fastsep.gaussian(IMAGE, weights=np.ones(8)), (RuntimeError, ValueError), r"`weights`.*\(8, 9\).*\(8,\)",
    ),
    "weights of channels only": (
        lambda: fastsep.gaussian(IMAGE, weights=np.ones((3, 9)), channel_axis=0), ValueError, r"`weights`.*\(3, 9\)",
    ),
    "an unknown nan": (lambda: fastsep.box(IMAGE, 3, nan="omit"), ValueError, r"`nan`.*propagate, ignore.*'omit'"),
    "nodata of floats": (lambda: fastsep.box(IMAGE, 3, nodata=0), ValueError, r"`nodata`.*float64.*integers"),
    "nodata of bools": (lambda: fastsep.box(IMAGE > 0, 3, nodata=0), ValueError, r"`nodata`.*bool.*integers"),
    "half a nodata": (lambda: fastsep.box(BYTES, 3, nodata=0.5), TypeError, r"`nodata`.*integer.*0\.5"),
    "nodata out of range": (lambda: fastsep.box(BYTES, 3, nodata=-9999), ValueError, r"`nodata`.*uint8.*-9999"),
    "a fill value out of range": (
        lambda: fastsep.box(BYTES, 3, nodata=3, dtype=np.int8, fill_value=300), ValueError, r"`fill_value`.*int8.*300",
    ),
    "no fill value": (
        lambda: fastsep.box(BYTES, 3, weights=IMAGE, dtype=np.uint8), ValueError, r"`fill_value` must be given.*uint8",
    ),
    "nodata that the result does not have": (
        lambda: fastsep.box(BYTES, 3, nodata=200, dtype=np.int8), ValueError, r"`fill_value` must be given.*int8",
    ),
    "more than all of the kernel": (
        lambda: fastsep.box(IMAGE, 3, min_weight=1.5), ValueError, r"`min_weight`.*\[0, 1\].*1\.5",
    ),
    "NaN of the kernel": (lambda: fastsep.box(IMAGE, 3, min_weight=NAN), ValueError, r"`min_weight`.*nan"),
    "a text for a yes": (lambda: fastsep.box(IMAGE, 3, keep_nan="no"), TypeError, r"`keep_nan`.*True or False.*'no'"),
    "nothing for a no": (lambda: fastsep.gaussian(IMAGE, keep_nan=None), TypeError, r"`keep_nan`.*None"),
    "no part of the kernel": (lambda: fastsep.gaussian(IMAGE, min_weight=None), TypeError, r"`min_weight`.*None"),
    "no tolerance": (lambda: fastsep.gaussian(IMAGE, tol=None), TypeError, r"`tol`.*real number.*None"),
    "a text for part of the kernel": (lambda: fastsep.box(IMAGE, 3, min_weight="1"), TypeError, r"`min_weight`.*'1'"),
    "a text for a yes in ndimage": (
        lambda: ndi.uniform_filter(BYTES, 3, keep_nan="no"), TypeError, r"`keep_nan`.*True or False.*'no'",
    ),
    "a border that is ignored by edges": (
        lambda: fastsep.sobel(IMAGE, mode="ignore"), (RuntimeError, ValueError), r"`mode`.*reflect.*'ignore'",
    ),
    "ignored here and constant there": (
        lambda: fastsep.box(IMAGE, 3, mode=("ignore", "constant")), ValueError, r"`mode`.*ignore.*constant",
    ),
    "three modes for two axes": (
        lambda: fastsep.box(IMAGE, 3, mode=["ignore"] * 3), (RuntimeError, ValueError), r"`mode`.*3",
    ),
    "taps of both signs": (
        lambda: fastsep.separable_filter(IMAGE, [-1, 0, 1], nan="ignore"), ValueError, r"Weights of pixels.*one sign",
    ),
    "a kernel of both signs": (
        lambda: fastsep.correlate(IMAGE, [[1, -1]], mode="ignore"), ValueError, r"Weights of pixels.*one sign",
    ),
    "terms of a kernel of both signs": (
        lambda: fastsep.convolve(IMAGE, [[1, -1], [1, 1]], method="separable", nan="ignore"), ValueError, r"one sign",
    ),
    "taps of zero": (
        lambda: fastsep.separable_filter(IMAGE, [0.0], nan="ignore"), ValueError, r"Weights of pixels.*all zero",
    ),
    "a transform": (
        lambda: fastsep.correlate(IMAGE, np.eye(3), method="fft", nan="ignore"), ValueError, r"`method`.*fft.*missing",
    ),
    "a second derivative": (
        lambda: fastsep.gaussian(IMAGE, order=(2, 0), nan="ignore"), ValueError, r"`order`.*0, or 1 along.*\(2, 0\)",
    ),
    "two first derivatives": (lambda: fastsep.gaussian(IMAGE, order=1, nan="ignore"), ValueError, r"`order`.*got 1"),
    "Sobel's gradient": (
        lambda: fastsep.gradient(IMAGE, sigma=2, nan="ignore"), ValueError, r"`operator` must be gaussian.*'sobel'",
    ),
    "masked arrays for Sobel": (lambda: fastsep.sobel(np.ma.array(IMAGE)), ValueError, r"`image`.*masked"),
    "masked arrays to write into": (
        lambda: fastsep.box(IMAGE, 3, nan="ignore", out=np.ma.array(IMAGE)), TypeError, r"`out`.*MaskedArray",
    ),
    "nowhere to look for pixels": (lambda: fastsep.interpolate_missing(IMAGE, 0), ValueError, r"`sigma`.*above 0"),
    "taps that are complex in ndimage": (
        lambda: ndi.correlate1d(IMAGE, [1j], nan="ignore"), ValueError, r"`weights`.*real.*complex128",
    ),
    "a complex image in ndimage": (
        lambda: ndi.uniform_filter(1j * IMAGE, 3, nan="ignore"), ValueError, r"`input`.*complex128",
    ),
    "an infinite tap in ndimage": (
        lambda: ndi.correlate1d(IMAGE, [1, np.inf], nan="ignore"), ValueError, r"`pixel_weights`.*accelerated",
    ),
    "negative weights in ndimage": (
        lambda: ndi.correlate1d(IMAGE, [1.0], pixel_weights=-IMAGE), ValueError, r"`pixel_weights`.*not negative.*-1",
    ),
    "complex weights in ndimage": (
        lambda: ndi.uniform_filter(IMAGE, pixel_weights=1j * IMAGE), ValueError, r"`pixel_weights`.*real",
    ),
    "weights of a wrong shape in ndimage": (
        lambda: ndi.gaussian_filter(IMAGE, 1, pixel_weights=np.ones(8)), ValueError, r"`pixel_weights`.*\(8,\)",
    ),
    "nodata of floats in ndimage": (
        lambda: ndi.uniform_filter(IMAGE, nodata=0), ValueError, r"`nodata`.*`pixel_weights=image != nodata`",
    ),
    "an ignored border, misspelt": (
        lambda: fastsep.gaussian(IMAGE, mode="Ignore"), ValueError, r"`mode`.*'Ignore'.*also have 'ignore'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bad_arguments_get_one_line(name):
    call, errors, message = REFUSED[name]
    assert_refused(call, errors, message)


SEVERAL = np.array([0.25, 0.5])
TAKE_MISSING = {
    "gaussian": lambda **given: fastsep.gaussian(IMAGE, **given),
    "box": lambda **given: fastsep.box(IMAGE, 3, **given),
    "separable_filter": lambda **given: fastsep.separable_filter(IMAGE, [1, 2, 1], **given),
    "correlate": lambda **given: fastsep.correlate(IMAGE, np.eye(3), **given),
    "convolve": lambda **given: fastsep.convolve(IMAGE, np.eye(3), **given),
    "unsharp_mask": lambda **given: fastsep.unsharp_mask(IMAGE, **given),
    "difference_of_gaussians": lambda **given: fastsep.difference_of_gaussians(IMAGE, 1, **given),
    "gradient": lambda **given: fastsep.gradient(IMAGE, "gaussian", **given),
    "ndimage.correlate": lambda **given: ndi.correlate(IMAGE, np.eye(3), **given),
    "ndimage.correlate1d": lambda **given: ndi.correlate1d(IMAGE, [1, 2, 1], **given),
    "ndimage.gaussian_filter": lambda **given: ndi.gaussian_filter(IMAGE, 1, **given),
    "ndimage.uniform_filter": lambda **given: ndi.uniform_filter(IMAGE, 3, **given),
}


@pytest.mark.parametrize("name", TAKE_MISSING)
def test_arrays_for_keywords_of_one_value_get_one_line(name):
    call = TAKE_MISSING[name]
    assert_refused(lambda: call(nan=SEVERAL), ValueError, r"`nan`.*propagate, ignore.*0\.25")
    assert_refused(lambda: call(min_weight=SEVERAL), TypeError, r"`min_weight`.*real number.*0\.25")
    assert_refused(lambda: call(keep_nan=SEVERAL), TypeError, r"`keep_nan`.*True or False.*0\.25")
    assert_refused(lambda: call(nodata=SEVERAL), ValueError, r"`nodata`.*float64.*integers")
    assert_refused(lambda: call(fill_value=SEVERAL), TypeError, r"`fill_value`.*real number.*0\.25")


def test_an_array_of_tolerances_gets_one_line():
    assert_refused(lambda: fastsep.gaussian(IMAGE, tol=SEVERAL), TypeError, r"`tol`.*real number.*0\.25")


def test_nothing_is_written_when_weights_are_refused():
    out = np.zeros((8, 9))
    with pytest.raises(ValueError, match="not negative"):
        fastsep.gaussian(IMAGE, weights=np.where(np.eye(8, 9), -1, 1), out=out)
    assert not out.any()


def test_images_of_dask_cannot_be_filled():
    da = pytest.importorskip("dask.array")
    with pytest.raises(ValueError, match=r"`image` must be an array in memory"):
        fastsep.interpolate_missing(da.ones((8, 9)))

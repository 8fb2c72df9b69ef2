"""Bad arguments: one line that names the argument, as an exception that callers would catch."""

import numpy as np
import pytest
from helpers import assert_refused, read_only

import fastsep

IMAGE = np.ones((8, 9))
RGB = np.ones((8, 9, 3), np.uint8)
BOTH = (RuntimeError, ValueError)  # must be caught as either
NAN = float("nan")
AXIS = np.exceptions.AxisError


TABLE = {
    "negative sigma": (
        lambda: fastsep.gaussian(IMAGE, -1),
        ValueError,
        r"`sigma`.*not negative.*-1",
    ),
    "nan sigma": (lambda: fastsep.gaussian(IMAGE, NAN), ValueError, r"`sigma`.*nan"),
    "infinite sigma": (lambda: fastsep.gaussian(IMAGE, np.inf), ValueError, r"`sigma`.*inf"),
    "negative sigma of one axis": (
        lambda: fastsep.gaussian(IMAGE, (1, -2)),
        ValueError,
        r"`sigma`.*-2",
    ),
    "huge sigma": (lambda: fastsep.gaussian(IMAGE, 1e300), ValueError, r"`sigma`.*1e\+300"),
    "text for sigma": (lambda: fastsep.gaussian(IMAGE, "1"), TypeError, r"`sigma`.*'1'"),
    "a text for a range": (
        lambda: fastsep.gaussian(IMAGE, preserve_range="no"),
        TypeError,
        r"`preserve_range`.*True or False.*'no'",
    ),
    "an array for a range": (
        lambda: fastsep.unsharp_mask(IMAGE, preserve_range=IMAGE),
        TypeError,
        r"`preserve_range`.*True or False",
    ),
    "yes for a tolerance": (lambda: fastsep.gaussian(IMAGE, tol=True), TypeError, r"`tol`.*real number.*True"),
    "yes for a tolerance of a kernel": (
        lambda: fastsep.correlate(IMAGE, np.eye(3), tol=True),
        TypeError,
        r"`tol`.*real number.*True",
    ),
    "yes for a tolerance of terms": (
        lambda: fastsep.factorize(np.eye(3), tol=True),
        TypeError,
        r"`tol`.*real number.*True",
    ),
    "complex sigma": (lambda: fastsep.gaussian(IMAGE, 1j), TypeError, r"`sigma`.*1j"),
    "unhashable sigma": (lambda: fastsep.gaussian(IMAGE, [[1], {}]), TypeError, r"`sigma`"),
    "three sigmas for two axes": (
        lambda: fastsep.gaussian(IMAGE, (1, 2, 3)),
        BOTH,
        r"`sigma`.*2 spatial.*3",
    ),
    "one sigma in a list": (lambda: fastsep.gaussian(IMAGE, [1]), BOTH, r"`sigma`.*got 1"),
    "negative sigma of the channels": (
        lambda: fastsep.gaussian(RGB, (1, 1, -1), channel_axis=-1),
        ValueError,
        r"`sigma`.*-1",
    ),
    "negative truncate": (
        lambda: fastsep.gaussian(IMAGE, truncate=-1),
        ValueError,
        r"`truncate`.*-1",
    ),
    "negative order": (lambda: fastsep.gaussian(IMAGE, order=-1), ValueError, r"`order`.*-1"),
    "half an order": (lambda: fastsep.gaussian(IMAGE, order=0.5), TypeError, r"`order`.*0\.5"),
    "negative low sigma": (
        lambda: fastsep.difference_of_gaussians(IMAGE, -1),
        ValueError,
        r"`low_sigma`.*-1",
    ),
    "high below low": (
        lambda: fastsep.difference_of_gaussians(IMAGE, 3, 2),
        ValueError,
        r"`high_sigma`.*2.*3",
    ),
    "wrong number of low sigmas": (
        lambda: fastsep.difference_of_gaussians(IMAGE, (1, 2, 3)),
        ValueError,
        r"`low_sigma`.*3",
    ),
    "negative radius": (lambda: fastsep.unsharp_mask(IMAGE, -1), ValueError, r"`radius`.*-1"),
    "nan amount": (lambda: fastsep.unsharp_mask(IMAGE, 1, NAN), ValueError, r"`amount`.*nan"),
    "size zero": (lambda: fastsep.box(IMAGE, 0), ValueError, r"`size`.*0"),
    "fractional size": (lambda: fastsep.box(IMAGE, 2.5), TypeError, r"`size`.*2\.5"),
    "small ksize": (lambda: fastsep.laplace(IMAGE, 1), ValueError, r"`ksize`.*3.*1"),
    "unknown mode": (
        lambda: fastsep.gaussian(IMAGE, mode="edges"),
        BOTH,
        r"`mode`.*reflect.*'edges'\.$",
    ),
    "NumPy's edge": (lambda: fastsep.gaussian(IMAGE, mode="edge"), BOTH, r"`mode`.*'edge'\. It means 'nearest'\."),
    "NumPy's symmetric": (
        lambda: fastsep.gradient(IMAGE, mode=("wrap", "symmetric")),
        BOTH,
        r"`mode`.*'symmetric'\. It means 'reflect'\.",
    ),
    "TensorFlow's SYMMETRIC": (lambda: fastsep.canny(IMAGE, mode="SYMMETRIC"), BOTH, r"It means 'reflect'\."),
    "MATLAB's replicate": (lambda: fastsep.box(IMAGE, 3, mode="replicate"), BOTH, r"It means 'nearest'\."),
    "PyTorch's circular": (lambda: fastsep.sobel(IMAGE, mode="circular"), BOTH, r"It means 'wrap'\."),
    "OpenCV's BORDER_REFLECT": (lambda: fastsep.sobel(IMAGE, mode=2), BOTH, r"got 2\. In OpenCV it means 'reflect'\."),
    "OpenCV's BORDER_REFLECT_101": (lambda: fastsep.gaussian(IMAGE, mode=4), BOTH, r"In OpenCV it means 'mirror'\."),
    "OpenCV's BORDER_ISOLATED": (lambda: fastsep.gaussian(IMAGE, mode=16), BOTH, r"`mode`.*got 16\.$"),
    "mode of the wrong type": (lambda: fastsep.sobel(IMAGE, mode={}), BOTH, r"`mode`.*got \{\}\.$"),
    "three modes for two axes": (
        lambda: fastsep.sobel(IMAGE, mode=["wrap"] * 3),
        BOTH,
        r"`mode`.*3",
    ),
    "complex cval": (
        lambda: fastsep.sobel(IMAGE, mode="constant", cval=1j),
        TypeError,
        r"`cval`.*1j",
    ),
    "cval None": (lambda: fastsep.sobel(IMAGE, cval=None), TypeError, r"`cval`.*None"),
    "complex image": (lambda: fastsep.sobel(IMAGE + 1j), ValueError, r"`image`.*complex128"),
    "object image": (lambda: fastsep.sobel(IMAGE.astype(object)), ValueError, r"`image`.*object"),
    "masked image": (
        lambda: fastsep.sobel(np.ma.masked_less(IMAGE, 0)),
        ValueError,
        r"`image`.*masked",
    ),
    "0-d image": (lambda: fastsep.gaussian(np.float64(1)), ValueError, r"`image`.*dimension"),
    "structured image": (
        lambda: fastsep.sobel(np.zeros((3, 3), "f4,f4")),
        ValueError,
        r"`image`.*f4",
    ),
    "datetime image": (
        lambda: fastsep.sobel(IMAGE.astype("M8[s]")),
        ValueError,
        r"`image`.*datetime",
    ),
    "ragged image": (lambda: fastsep.sobel([[1], [1, 2]]), ValueError, r"`image`"),
    "colours for a 2-D filter": (
        lambda: fastsep.sobel_h(RGB),
        ValueError,
        r"`image`.*2 spatial axes.*3\. For colours pass `channel_axis`, or convert them to grey",
    ),
    "colours for roberts": (lambda: fastsep.roberts(RGB), ValueError, r"`image`.*3\. For colours pass `channel_axis`"),
    "colours for corners": (
        lambda: fastsep.corner_harris(RGB),
        ValueError,
        r"`image` must have 2 axes.*\(8, 9, 3\)\. Convert colours to grey first",
    ),
    "a volume for corners": (
        lambda: fastsep.corner_shi_tomasi(np.ones((3, 8, 9))),
        ValueError,
        r"`image` must have 2 axes.*\(3, 8, 9\)\.$",
    ),
    "1-D image for roberts": (
        lambda: fastsep.roberts(np.ones(5)),
        ValueError,
        r"`image`.*2 spatial axes.*1",
    ),
    "channel axis out of range": (
        lambda: fastsep.sobel(RGB, channel_axis=3),
        AXIS,
        r"`channel_axis`.*\[-3, 2\].*3",
    ),
    "no axis beside the channels": (
        lambda: fastsep.sobel(np.ones(4), channel_axis=0),
        ValueError,
        r"`channel_axis`",
    ),
    "text for the channel axis": (
        lambda: fastsep.sobel(RGB, channel_axis="last"),
        TypeError,
        r"`channel_axis`.*last",
    ),
    "axis out of range": (lambda: fastsep.sobel(IMAGE, axis=2), AXIS, r"`axis`.*\[-2, 1\].*2"),
    "one axis of several out of range": (
        lambda: fastsep.sobel(IMAGE, axis=(0, -3)),
        AXIS,
        r"`axis`.*-3",
    ),
    "no axis": (lambda: fastsep.sobel(IMAGE, axis=()), ValueError, r"`axis`.*empty"),
    "axis of the channels": (
        lambda: fastsep.sobel(RGB, axis=2, channel_axis=-1),
        ValueError,
        r"`axis`.*channel",
    ),
    "mask of another shape": (
        lambda: fastsep.sobel(IMAGE, np.ones((3, 3), bool)),
        ValueError,
        r"`mask`.*\(8, 9\).*\(3, 3\)\.$",
    ),
    "an axis for a mask": (
        lambda: fastsep.sobel(IMAGE, 0),
        ValueError,
        r"`mask` must have the image's shape \(8, 9\); got 0\. An axis is passed by name: `axis=0`\.",
    ),
    "mask of text": (
        lambda: fastsep.sobel(IMAGE, np.full((8, 9), "a")),
        ValueError,
        r"`mask`.*bool",
    ),
    "empty taps": (lambda: fastsep.separable_filter(IMAGE, []), BOTH, r"`taps`.*at least one"),
    "empty taps of one axis": (
        lambda: fastsep.separable_filter(IMAGE, ([1], [])),
        BOTH,
        r"`taps`.*at least one",
    ),
    "2-D taps of one axis": (
        lambda: fastsep.separable_filter(IMAGE, ([[1]], None)),
        BOTH,
        r"`taps`.*1-D",
    ),
    "a kernel for taps": (
        lambda: fastsep.separable_filter(IMAGE, np.ones((3, 3))),
        BOTH,
        r"`taps`.*2 spatial.*3 lines\. A kernel goes to `correlate`",
    ),
    "a kernel for the taps of one axis": (
        lambda: fastsep.separable_filter(IMAGE, (np.ones((3, 3)), None)),
        BOTH,
        r"`taps` of an axis must be 1-D.*A kernel of several axes goes to `correlate`",
    ),
    "taps for three axes": (
        lambda: fastsep.separable_filter(IMAGE, ([1],) * 3),
        BOTH,
        r"`taps`.*2 spatial.*3",
    ),
    "complex taps": (lambda: fastsep.separable_filter(IMAGE, [1j]), ValueError, r"`taps`.*real"),
    "nan taps": (lambda: fastsep.separable_filter(IMAGE, [NAN]), ValueError, r"`taps`.*finite"),
    "taps beyond any float": (
        lambda: fastsep.separable_filter(IMAGE, [1, 10**400]),
        ValueError,
        r"`taps` must be finite real numbers; got .*\.\.\.",
    ),
    "taps in no order": (lambda: fastsep.separable_filter(IMAGE, (None, {1, 2})), BOTH, r"`taps` of an axis.*\{1, 2\}"),
    "a number for the taps of an axis": (lambda: fastsep.separable_filter(IMAGE, (None, 5)), BOTH, r"`taps` of an.*5"),
    "no taps": (lambda: fastsep.separable_filter(IMAGE, None), TypeError, r"`taps`.*None"),
    "workers zero": (lambda: fastsep.sobel(IMAGE, workers=0), ValueError, r"`workers`.*1.*-1 for all cores; got 0\."),
    "workers negative": (lambda: fastsep.sobel(IMAGE, workers=-2), ValueError, r"`workers`.*-1 for all.*-2"),
    "no threads": (
        lambda: fastsep.set_num_threads(0),
        ValueError,
        r"^`count` must be an integer of at least 1.*got 0\.",
    ),
    "half a thread": (lambda: fastsep.set_num_threads(0.5), TypeError, r"^`count` must be an integer; got 0\.5"),
    "a truth for a number of threads": (
        lambda: fastsep.set_num_threads(True),
        TypeError,
        r"^`count` must be an integer; got True\.",
    ),
    "NumPy's truth for workers": (
        lambda: fastsep.sobel(IMAGE, workers=np.False_),
        TypeError,
        r"^`workers` must be an integer; got .*False",
    ),
    "fractional workers": (
        lambda: fastsep.sobel(IMAGE, workers=1.5),
        TypeError,
        r"`workers`.*1\.5",
    ),
    "out of another shape": (
        lambda: fastsep.sobel(IMAGE, out=np.ones((9, 8))),
        BOTH,
        r"`out`.*\(8, 9\).*\(9, 8\)",
    ),
    "integer out alone": (
        lambda: fastsep.gaussian(IMAGE, out=np.ones((8, 9), int)),
        ValueError,
        r"dtype of `out` must be float.*int64",
    ),
    "out of another dtype": (
        lambda: fastsep.sobel(IMAGE, out=np.ones((8, 9)), dtype="f4"),
        ValueError,
        r"`out`.*float32.*float64",
    ),
    "complex out": (
        lambda: fastsep.sobel(IMAGE, out=IMAGE + 0j),
        ValueError,
        r"`out` must be float.*complex",
    ),
    "read-only out": (
        lambda: fastsep.sobel(IMAGE, out=read_only(np.ones((8, 9)))),
        ValueError,
        r"`out`.*read-only",
    ),
    "list for out": (lambda: fastsep.sobel(IMAGE, out=[0]), TypeError, r"`out`.*list"),
    "masked out": (
        lambda: fastsep.sobel(IMAGE, out=np.ma.ones((8, 9))),
        TypeError,
        r"`out`.*MaskedArray",
    ),
    "complex dtype": (
        lambda: fastsep.sobel(IMAGE, dtype=complex),
        ValueError,
        r"`dtype`.*complex128",
    ),
    "bool dtype": (lambda: fastsep.sobel(IMAGE, dtype=bool), ValueError, r"`dtype`.*bool"),
    "unknown dtype": (lambda: fastsep.sobel(IMAGE, dtype="wide"), TypeError, r"`dtype`.*wide"),
    "unknown operator": (
        lambda: fastsep.gradient(IMAGE, "canny"),
        ValueError,
        r"`operator`.*sobel.*farid.*gaussian.*'canny'",
    ),
    "unhashable operator": (lambda: fastsep.gradient(IMAGE, {}), ValueError, r"`operator`.*\{\}"),
    "unknown output": (
        lambda: fastsep.gradient(IMAGE, output="angle"),
        ValueError,
        r"`output`.*dx, dy.*magnitude, orientation.*2 spatial axes.*'angle'",
    ),
    "a derivative of an axis that is not there": (
        lambda: fastsep.gradient(IMAGE, output=("dx", "d2")),
        ValueError,
        r"`output`.*2 spatial axes.*'d2'",
    ),
    "orientation of one axis": (
        lambda: fastsep.gradient(np.ones(5), output="orientation"),
        ValueError,
        r"`output`.*dx.*1 spatial.*'orientation'",
    ),
    "no output": (lambda: fastsep.gradient(IMAGE, output=()), ValueError, r"`output`.*\(\)"),
    "output None": (lambda: fastsep.gradient(IMAGE, output=None), ValueError, r"`output`.*None"),
    "a number among outputs": (lambda: fastsep.gradient(IMAGE, output=("dx", 1)), ValueError, r"`output`.*got 1"),
    "one out for two outputs": (
        lambda: fastsep.gradient(IMAGE, out=np.ones((8, 9))),
        ValueError,
        r"`out`.*`output` names, 2.*ndarray",
    ),
    "three outs for two outputs": (
        lambda: fastsep.gradient(IMAGE, out=(None,) * 3),
        ValueError,
        r"`out`.*`output` names, 2",
    ),
    "a tuple of outs for one output": (
        lambda: fastsep.gradient(IMAGE, output="dx", out=(np.ones((8, 9)),)),
        TypeError,
        r"`out`.*tuple",
    ),
    "outs of two dtypes": (
        lambda: fastsep.gradient(IMAGE, out=(np.ones((8, 9)), np.ones((8, 9), "f4"))),
        ValueError,
        r"`out`.*one dtype.*float32, float64",
    ),
    "one of several outs of another shape": (
        lambda: fastsep.gradient(IMAGE, out=(None, np.ones((9, 8)))),
        BOTH,
        r"`out`.*\(8, 9\).*\(9, 8\)",
    ),
    "negative sigma of a gradient": (lambda: fastsep.gradient(IMAGE, sigma=-1), ValueError, r"`sigma`.*-1"),
    "three sigmas of a gradient": (lambda: fastsep.gradient(IMAGE, sigma=(1, 1, 1)), BOTH, r"`sigma`.*2 spatial.*3"),
    "unknown mode of a gradient": (lambda: fastsep.gradient(IMAGE, mode="odd"), BOTH, r"`mode`.*'odd'"),
    "complex cval of a gradient": (lambda: fastsep.gradient(IMAGE, cval=1j), TypeError, r"`cval`.*1j"),
    "axis of a gradient out of range": (
        lambda: fastsep.gradient(IMAGE, output="magnitude", axis=2),
        AXIS,
        r"`axis`.*\[-2, 1\].*2",
    ),
    "bool dtype of a gradient": (lambda: fastsep.gradient(IMAGE, dtype=bool), ValueError, r"`dtype`.*bool"),
    "workers zero of a gradient": (lambda: fastsep.gradient(IMAGE, workers=0), ValueError, r"`workers`.*0"),
    "colours for canny": (lambda: fastsep.canny(RGB), ValueError, r"`image`.*2.*got 3\. Convert colours to grey first"),
    "a volume for canny": (lambda: fastsep.canny(np.ones((3, 8, 9))), ValueError, r"`image`.*2.*got 3\.$"),
    "thresholds where OpenCV has them": (
        lambda: fastsep.canny(RGB[..., 0], 100, 200),
        ValueError,
        r"`low_threshold`.*200 and 51\. Both come after `sigma`\.",
    ),
    "1-D image for canny": (lambda: fastsep.canny(np.ones(5)), ValueError, r"`image`.*2.*got 1"),
    "complex image for canny": (lambda: fastsep.canny(IMAGE * 1j), ValueError, r"`image`.*complex128"),
    "negative sigma of canny": (lambda: fastsep.canny(IMAGE, -1), ValueError, r"`sigma`.*-1"),
    "three sigmas of canny": (lambda: fastsep.canny(IMAGE, (1, 2, 3)), BOTH, r"`sigma`.*3"),
    "low threshold above the high one": (
        lambda: fastsep.canny(IMAGE, 1, 0.6, 0.5),
        ValueError,
        r"`low_threshold`.*above.*`high_threshold`.*0\.6 and 0\.5",
    ),
    "low threshold above the high one of bytes": (
        lambda: fastsep.canny(RGB[..., 0], 1, 60, 50),
        ValueError,
        r"`low_threshold`.*above.*`high_threshold`",
    ),
    "low threshold above the default of the high one": (
        lambda: fastsep.canny(IMAGE, low_threshold=0.3),
        ValueError,
        r"`low_threshold`.*0\.3 and 0\.2",
    ),
    "text for a threshold": (lambda: fastsep.canny(IMAGE, 1, "a"), TypeError, r"`low_threshold`.*'a'"),
    "low quantile beyond one": (
        lambda: fastsep.canny(IMAGE, 1, 99, 0.9, use_quantiles=True),
        ValueError,
        r"`low_threshold`.*\[0, 1\].*99",
    ),
    "negative high quantile": (
        lambda: fastsep.canny(IMAGE, 1, 0.5, -1, use_quantiles=True),
        ValueError,
        r"`high_threshold`.*\[0, 1\].*-1",
    ),
    "nan for a quantile": (
        lambda: fastsep.canny(IMAGE, 1, NAN, 0.9, use_quantiles=True),
        ValueError,
        r"`low_threshold`.*nan",
    ),
    "mask of canny of another shape": (
        lambda: fastsep.canny(IMAGE, mask=np.ones((9, 8), bool)),
        ValueError,
        r"`mask`.*\(8, 9\).*\(9, 8\)",
    ),
    "unknown mode of canny": (lambda: fastsep.canny(IMAGE, mode="odd"), BOTH, r"`mode`.*'odd'"),
    "integer arithmetic of canny": (lambda: fastsep.canny(IMAGE, dtype="u1"), ValueError, r"`dtype`.*float32.*uint8"),
    "half arithmetic of canny": (lambda: fastsep.canny(IMAGE, dtype="f2"), ValueError, r"`dtype`.*float32.*float16"),
    "bytes to write edges into": (
        lambda: fastsep.canny(IMAGE, out=np.ones((8, 9), np.uint8)),
        ValueError,
        r"`out` must be bool.*uint8",
    ),
    "read-only array to write edges into": (
        lambda: fastsep.canny(IMAGE, out=np.broadcast_to(np.zeros(9, bool), (8, 9))),
        ValueError,
        r"`out`.*read-only",
    ),
    "text for a threshold of hysteresis": (
        lambda: fastsep.apply_hysteresis_threshold(IMAGE, "a", 1),
        ValueError,
        r"`low`.*(U1|'a')",
    ),
    "thresholds of another shape": (
        lambda: fastsep.apply_hysteresis_threshold(IMAGE, 0, np.ones(8)),
        ValueError,
        r"`high`.*\(8, 9\).*\(8,\)",
    ),
    "floats to write connected pixels into": (
        lambda: fastsep.apply_hysteresis_threshold(IMAGE, 0, 1, out=np.ones((8, 9))),
        ValueError,
        r"`out` must be bool.*float64",
    ),
}


@pytest.mark.parametrize("row", TABLE)
def test_a_bad_argument_gets_one_clear_line(row):
    call, exceptions, pattern = TABLE[row]
    fastsep.sobel(IMAGE)  # what is remembered from a good call must not let a bad one through
    fastsep.gaussian(IMAGE)
    fastsep.gradient(IMAGE)
    fastsep.canny(IMAGE)
    assert_refused(call, exceptions, pattern)


def test_an_axis_error_is_also_an_index_error():
    with pytest.raises(IndexError):
        fastsep.sobel(IMAGE, axis=5)


def test_bad_arguments_of_an_empty_image_are_refused_too():
    with pytest.raises(ValueError, match="sigma"):
        fastsep.gaussian(np.empty((0, 3)), -1)


def test_nothing_is_written_into_out_when_a_call_is_refused():
    out = np.full((8, 9), 7.0)
    with pytest.raises(ValueError, match="mask"):
        fastsep.sobel(IMAGE, np.ones(3), out=out)
    with pytest.raises(ValueError, match="mode"):
        fastsep.sobel(IMAGE, mode="odd", out=out)
    with pytest.raises(ValueError, match="shape"):
        fastsep.gradient(IMAGE, out=(out, np.ones((9, 8))))
    with pytest.raises(ValueError, match="output"):
        fastsep.gradient(IMAGE, output=("dy", "d7"), out=(out, None))
    assert (out == 7).all()


def test_cval_may_be_nan():
    result = fastsep.sobel(IMAGE, mode="constant", cval=NAN)
    assert np.isnan(result[0, 0])
    assert result[4, 4] == 0

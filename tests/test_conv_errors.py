"""Bad arguments of the convolutions: one line that names the argument, both shapes and what is expected."""

import numpy as np
import pytest
from helpers import assert_refused, read_only

import fastsep
from fastsep import (
    Conv2D,
    DepthwiseConv2D,
    SeparableConv2D,
    conv2d,
    depthwise_conv2d,
    pointwise_conv2d,
    separable_conv2d,
)

X = np.ones((8, 9, 3), "f4")
FIRST_X = np.ones((3, 8, 9), "f4")  # channels first
DENSE = np.ones((3, 3, 3, 5), "f4")
DEPTHWISE = np.ones((3, 3, 3), "f4")
POINTWISE = np.ones((3, 5), "f4")
NAN, INF = float("nan"), float("inf")
LAST, FIRST = {}, {"data_format": "channels_first"}


def ones(*shape):
    return np.ones(shape, "f4")


def dense(x=X, kernel=DENSE, **options):
    return lambda: conv2d(x, kernel, **options)


def depthwise(x=X, kernel=DEPTHWISE, **options):
    return lambda: depthwise_conv2d(x, kernel, **options)


def pointwise(x=X, kernel=POINTWISE, **options):
    return lambda: pointwise_conv2d(x, kernel, **options)


def separable(x=X, first=DEPTHWISE, second=POINTWISE, **options):
    return lambda: separable_conv2d(x, first, second, **options)


TABLE = {
    # the image
    "2-D image": (dense(X[..., 0]), ValueError, r"`x` must be \(H, W, 3\) or \(N, H, W, 3\).*got shape \(8, 9\)"),
    "5-D image": (dense(X[None, None]), ValueError, r"`x` must be \(H, W, 3\).*\(1, 1, 8, 9, 3\)"),
    "a number": (dense(1.0), ValueError, r"`x`.*got shape \(\)"),
    "2-D image, channels first": (
        dense(X[..., 0], ones(5, 3, 3, 3), **FIRST),
        ValueError,
        r"`x` must be \(3, H, W\) or \(N, 3, H, W\).*got shape \(8, 9\)",
    ),
    "channels of a dense kernel": (
        dense(X[..., :2]),
        ValueError,
        r"`x` must be \(H, W, 3\).*`kernel` \(3, 3, 3, 5\); got shape \(8, 9, 2\)",
    ),
    "channels of a dense kernel, channels first": (
        dense(X, ones(5, 4, 3, 3), **FIRST),
        ValueError,
        r"`x` must be \(4, H, W\).*`kernel` \(5, 4, 3, 3\); got shape \(8, 9, 3\)",
    ),
    "channels of a depthwise kernel": (
        depthwise(X, ones(3, 3, 4, 2)),
        ValueError,
        r"`x` must be \(H, W, 4\).*`kernel` \(3, 3, 4, 2\); got shape \(8, 9, 3\)",
    ),
    "channels of a depthwise kernel, channels first": (
        depthwise(FIRST_X, ones(4, 1, 3, 3), **FIRST),
        ValueError,
        r"`x` must be \(C, H, W\) or \(N, C, H, W\) with 4 a multiple of C for `kernel` \(4, 1, 3, 3\);"
        r" got shape \(3, 8, 9\)",
    ),
    "channels of a pointwise kernel": (
        pointwise(X, ones(4, 5)),
        ValueError,
        r"`x` must be \(H, W, 4\).*`kernel` \(4, 5\); got shape \(8, 9, 3\)",
    ),
    "channels of a separable layer": (
        separable(X[..., :2]),
        ValueError,
        r"`x` must be \(H, W, 3\).*`depthwise_kernel` \(3, 3, 3\); got shape \(8, 9, 2\)",
    ),
    "channels of a separable layer, channels first": (
        separable(FIRST_X[:2], ones(3, 1, 3, 3), ones(5, 3), **FIRST),
        ValueError,
        r"`x` must be \(C, H, W\).*with 3 a multiple of C for `depthwise_kernel` \(3, 1, 3, 3\); got shape \(2, 8, 9\)",
    ),
    "no channels": (dense(X[..., :0]), ValueError, r"`x` must be \(H, W, 3\).*\(8, 9, 0\)"),
    "no channels, channels first": (depthwise(FIRST_X[:0], ones(3, 1, 3, 3), **FIRST), ValueError, r"`x`.*\(0, 8, 9\)"),
    "no rows": (dense(X[:0]), ValueError, r"`kernel`.*larger than the padded image.*3 x 3.*0 x 9.*\(0, 9, 3\)"),
    "no rows, same": (
        dense(X[:0], padding="same"),
        ValueError,
        r"`x` must have pixels, unless `padding` is numbers and `mode` is 'constant'; got shape \(0, 9, 3\)",
    ),
    "no columns, reflected": (
        dense(X[:, :0], padding=3, mode="reflect"),
        ValueError,
        r"`x` must have pixels.*\(8, 0, 3\)",
    ),
    "kernel larger than the image": (
        dense(X[:2]),
        ValueError,
        r"`kernel` \(3, 3, 3, 5\).*larger than the padded image.*3 x 3.*2 x 9 of `x` \(2, 9, 3\)",
    ),
    "kernel with dilation larger than the padded image": (
        separable(padding=((0, 0), (1, 2)), dilation=(2, 6)),
        ValueError,
        r"`depthwise_kernel` \(3, 3, 3\).*5 x 13.*8 x 12 of `x` \(8, 9, 3\)",
    ),
    "padding of a huge kernel": (
        depthwise(dilation=2**31 - 1, padding="same"),
        ValueError,
        r"`x` must have at most 1099511627776 pixels with its padding; got shape \(8, 9, 3\), padded to"
        r" 4294967302 x 4294967303\.",
    ),
    "the largest padding and stride": (
        dense(padding=2**31 - 1, stride=2**31 - 1),
        ValueError,
        r"`x` must have at most 1099511627776 pixels.*padded to 4294967302 x 4294967303\.",
    ),
    "padding larger than any image": (
        dense(padding=2**30),
        ValueError,
        r"`x` must have at most 1099511627776 pixels.*padded to 2147483656 x 2147483657\.",
    ),
    "kernel larger than an image of an empty batch": (dense(np.ones((0, 2, 9, 3))), ValueError, r"`kernel`.*2 x 9"),
    "complex image": (dense(X + 1j), ValueError, r"`x` must be real.*complex64"),
    "object image": (dense(X.astype(object)), ValueError, r"`x`.*object"),
    "text": (dense("image"), ValueError, r"`x` must be an array; got 'image'\. Read the file first"),
    "text in a list": (dense(["image"]), ValueError, r"`x`.*<U5"),
    "masked image": (dense(np.ma.masked_less(X, 0)), ValueError, r"`x`.*masked.*`x.filled"),
    "ragged image": (dense([[1], [1, 2]]), ValueError, r"`x`"),
    "no image": (dense(None), ValueError, r"`x` must be an array; got None\. Read the file first"),
    "2-D image of one channel": (
        dense(X[..., 0], ones(3, 3, 1, 5)),
        ValueError,
        r"`x` must be \(H, W, 1\).*got shape \(8, 9\)\. A grey image needs its axis: `x\[\.\.\., None\]`\.",
    ),
    "2-D image of one channel, channels first": (
        depthwise(X[..., 0], ones(4, 1, 3, 3), **FIRST),
        ValueError,
        r"got shape \(8, 9\)\. A grey image needs its axis: `x\[None\]`\.",
    ),
    # kernels
    "2-D dense kernel": (
        dense(X, POINTWISE),
        ValueError,
        r"`kernel` must be \(kh, kw, C, F\); got shape \(3, 5\)\. With a single 2-D kernel use `correlate`\.",
    ),
    "3-D dense kernel": (dense(X, DEPTHWISE), ValueError, r"`kernel` must be \(kh, kw, C, F\); got shape \(3, 3, 3\)"),
    "3-D dense kernel, channels first": (
        dense(FIRST_X, DEPTHWISE, **FIRST),
        ValueError,
        r"`kernel` must be \(F, C, kh, kw\); got shape \(3, 3, 3\)",
    ),
    "2-D depthwise kernel": (
        depthwise(X, POINTWISE),
        ValueError,
        r"`kernel` must be \(kh, kw, C\) or \(kh, kw, C, M\); got shape \(3, 5\)",
    ),
    "depthwise kernel, channels first": (
        depthwise(FIRST_X, ones(3, 3, 3, 2), **FIRST),
        ValueError,
        r"`kernel` must be \(C\*M, 1, kh, kw\); got shape \(3, 3, 3, 2\)",
    ),
    "3-D depthwise kernel, channels first": (
        separable(FIRST_X, ones(3, 3, 3), ones(5, 3), **FIRST),
        ValueError,
        r"`depthwise_kernel` must be \(C\*M, 1, kh, kw\); got shape \(3, 3, 3\)",
    ),
    "3-D pointwise kernel": (
        pointwise(X, ones(1, 3, 5)),
        ValueError,
        r"`kernel` must be \(C, F\) or \(1, 1, C, F\); got shape \(1, 3, 5\)",
    ),
    "pointwise kernel of 3 x 3": (
        pointwise(X, DENSE),
        ValueError,
        r"`kernel` must be \(C, F\) or \(1, 1, C, F\); got shape \(3, 3, 3, 5\)",
    ),
    "pointwise kernel of 3 x 3, channels first": (
        separable(FIRST_X, ones(3, 1, 3, 3), ones(5, 3, 1, 3), **FIRST),
        ValueError,
        r"`pointwise_kernel` must be \(F, C\*M\) or \(F, C\*M, 1, 1\); got shape \(5, 3, 1, 3\)",
    ),
    "kernels that do not fit each other": (
        separable(X, ones(3, 3, 3, 2), POINTWISE),
        ValueError,
        r"`pointwise_kernel` must be \(6, F\) or \(1, 1, 6, F\) for `depthwise_kernel` \(3, 3, 3, 2\);"
        r" got shape \(3, 5\)",
    ),
    "kernels that do not fit each other, channels first": (
        separable(FIRST_X, ones(6, 1, 3, 3), ones(5, 3), **FIRST),
        ValueError,
        r"`pointwise_kernel` must be \(F, 6\) or \(F, 6, 1, 1\) for `depthwise_kernel` \(6, 1, 3, 3\);"
        r" got shape \(5, 3\)",
    ),
    "no results": (dense(X, ones(3, 3, 3, 0)), ValueError, r"`kernel`.*length 0.*\(3, 3, 3, 0\)"),
    "no rows of a kernel": (depthwise(X, ones(0, 3, 3)), ValueError, r"`kernel`.*length 0.*\(0, 3, 3\)"),
    "no channels of a kernel": (pointwise(X, ones(0, 3)), ValueError, r"`kernel`.*length 0.*\(0, 3\)"),
    "no multiplier": (separable(X, ones(3, 3, 3, 0)), ValueError, r"`depthwise_kernel`.*length 0.*\(3, 3, 3, 0\)"),
    "complex kernel": (dense(X, DENSE + 1j), ValueError, r"`kernel` must be real.*complex64"),
    "masked kernel": (separable(X, DEPTHWISE, np.ma.ones((3, 5))), ValueError, r"`pointwise_kernel`.*masked"),
    "object kernel": (separable(X, DEPTHWISE.astype(object)), ValueError, r"`depthwise_kernel`.*object"),
    "no kernel": (separable(X, None), ValueError, r"`depthwise_kernel` must be an array; got None\."),
    # biases and activations
    "bias of the wrong length": (
        dense(bias=[1, 2]),
        ValueError,
        r"`bias` must have shape \(5,\) for `kernel` \(3, 3, 3, 5\); got shape \(2,\)",
    ),
    "a number as a bias": (pointwise(bias=1.0), ValueError, r"`bias`.*\(5,\).*\(3, 5\).*got shape \(\)"),
    "bias of the wrong stage": (
        separable(bias=ones(3)),
        ValueError,
        r"`bias`.*\(5,\).*`pointwise_kernel` \(3, 5\).*\(3,\)",
    ),
    "depthwise bias": (
        separable(X, ones(3, 3, 3, 2), ones(6, 5), depthwise_bias=ones(3)),
        ValueError,
        r"`depthwise_bias`.*\(6,\) for `depthwise_kernel` \(3, 3, 3, 2\).*\(3,\)",
    ),
    "complex bias": (depthwise(bias=[1j, 0, 0]), ValueError, r"`bias` must be real.*complex128"),
    "masked bias": (depthwise(bias=np.ma.ones(3)), ValueError, r"`bias`.*masked"),
    "unknown activation": (dense(activation="tanh"), ValueError, r"`activation` must be None, 'relu', 'relu6'.*'tanh'"),
    "one limit": (dense(activation=(0,)), ValueError, r"`activation` must be.*\(low, high\).*\(0,\)"),
    "a number as an activation": (dense(activation=6), ValueError, r"`activation` must be.*\(low, high\).*6"),
    "limits the wrong way round": (
        separable(depthwise_activation=(1, 0)),
        ValueError,
        r"`depthwise_activation`.*low <= high.*\(1, 0\)",
    ),
    "limit of NaN": (dense(activation=(0, NAN)), ValueError, r"`activation`.*low <= high and no NaN.*nan"),
    "text for a limit": (dense(activation=("0", 1)), TypeError, r"`activation` must be.*two numbers.*\('0', 1\)"),
    "no limit": (
        separable(depthwise_activation=(None, 1)),
        TypeError,
        r"`depthwise_activation` must be None, 'relu', 'relu6' or \(low, high\), two numbers; got \(None, 1\)\.",
    ),
    "three limits": (dense(activation=(0, 1, 2)), ValueError, r"`activation`.*two numbers; got \(0, 1, 2\)"),
    "limits without order": (dense(activation={0, 1}), ValueError, r"`activation`.*two numbers; got {0, 1}"),
    "a function": (dense(activation=np.tanh), ValueError, r"`activation` must be None.*tanh"),
    # stride, padding, dilation
    "stride 0": (dense(stride=0), ValueError, r"`stride`.*at least 1.*0"),
    "negative stride of one axis": (dense(stride=(1, -2)), ValueError, r"`stride`.*at least 1.*-2"),
    "half a stride": (pointwise(stride=1.5), TypeError, r"`stride`.*integer.*1\.5"),
    "infinite stride": (dense(stride=INF), TypeError, r"`stride`.*integer.*inf"),
    "strides without order": (dense(stride={1, 2}), TypeError, r"`stride` must be an integer; got {1, 2}"),
    "three strides": (dense(stride=(1, 2, 3)), ValueError, r"`stride`.*2 spatial axes.*3"),
    "no stride": (dense(stride=None), TypeError, r"`stride`.*None"),
    "huge stride": (
        dense(stride=1 << 70),
        ValueError,
        r"`stride` must be at most 2147483647; got 1180591620717411303424",
    ),
    "dilation 0": (depthwise(dilation=0), ValueError, r"`dilation`.*at least 1.*0"),
    "dilation of NaN": (depthwise(dilation=NAN), TypeError, r"`dilation`.*integer.*nan"),
    "huge dilation": (depthwise(dilation=2**31), ValueError, r"`dilation` must be at most.*2147483648"),
    "unknown padding": (dense(padding="full"), ValueError, r"`padding` must be 'valid', 'same'.*'full'"),
    "unknown padding in capitals": (dense(padding="FULL"), ValueError, r"`padding` must be 'valid', 'same'.*'FULL'"),
    "negative padding": (dense(padding=-1), ValueError, r"`padding`.*at least 0.*-1"),
    "negative padding behind": (dense(padding=((0, 0), (0, -1))), ValueError, r"`padding`.*at least 0.*-1"),
    "half a padding": (dense(padding=1.5), TypeError, r"`padding` must be 'valid', 'same', or one or two.*got 1\.5"),
    "padding of NaN": (dense(padding=(NAN, 1)), TypeError, r"`padding`.*integers per axis; got \(nan, 1\)"),
    "padding in bytes": (dense(padding=b"same"), TypeError, r"`padding`.*integers per axis; got b'same'"),
    "a word for each axis": (
        dense(padding=("same", "valid")),
        TypeError,
        r"`padding`.*integers per axis; got \('same', 'valid'\)",
    ),
    "paddings by name": (dense(padding={"y": 1, "x": 2}), TypeError, r"`padding`.*integers per axis; got {'y': 1, 'x'"),
    "three paddings": (dense(padding=(1, 2, 3)), ValueError, r"`padding`.*2 spatial axes.*3"),
    "three paddings of an axis": (dense(padding=((1, 2, 3), (1, 2))), ValueError, r"`padding` of an axis.*\(1, 2, 3\)"),
    "no padding": (
        dense(padding=None),
        TypeError,
        r"`padding` must be 'valid', 'same', or one or two integers per axis; got None\.",
    ),
    "huge padding": (dense(padding=10**30), ValueError, r"`padding` must be at most"),
    # mode, cval, data_format, workers
    "NumPy's mode": (dense(mode="edge"), ValueError, r"`mode`.*reflect.*'edge'\. It means 'nearest'"),
    "PyTorch's mode": (dense(mode="circular"), ValueError, r"`mode`.*reflect.*'circular'\. It means 'wrap'"),
    "mode of each axis": (dense(mode=("wrap", "wrap")), ValueError, r"`mode`.*one of"),
    "no mode": (dense(mode=None), ValueError, r"`mode`.*None"),
    "complex cval": (dense(cval=1j), TypeError, r"`cval`.*1j"),
    "text for cval": (dense(cval="0"), TypeError, r"`cval`.*'0'"),
    "unknown data format": (
        dense(data_format="NHWC"),
        ValueError,
        r"`data_format` must be 'channels_last' \(NHWC\) or 'channels_first' \(NCHW\); got 'NHWC'",
    ),
    "no data format": (pointwise(data_format=None), ValueError, r"`data_format`.*None"),
    "array for data format": (dense(data_format=X), ValueError, r"`data_format`"),
    "no workers": (dense(workers=0), ValueError, r"`workers`.*at least 1.*-1 for all cores; got 0"),
    "minus two workers": (dense(workers=-2), ValueError, r"`workers`.*at least 1.*-1 for all cores; got -2"),
    "half a worker": (dense(workers=0.5), TypeError, r"`workers`.*0\.5"),
    # out
    "out of another shape": (
        dense(out=ones(8, 9, 5)),
        ValueError,
        r"`out` must have the result's shape \(6, 7, 5\); got \(8, 9, 5\)",
    ),
    "out with a batch": (dense(out=ones(1, 6, 7, 5)), ValueError, r"`out`.*\(6, 7, 5\); got \(1, 6, 7, 5\)"),
    "out with channels last": (
        dense(FIRST_X, ones(5, 3, 3, 3), out=ones(6, 7, 5), **FIRST),
        ValueError,
        r"`out`.*\(5, 6, 7\); got \(6, 7, 5\)",
    ),
    "out of another dtype": (
        dense(out=np.ones((6, 7, 5))),
        ValueError,
        r"`out` must have the result's dtype float32; got float64",
    ),
    "integer out": (dense(out=np.ones((6, 7, 5), int)), ValueError, r"`out`.*float32; got int64"),
    "read-only out": (dense(out=read_only(ones(6, 7, 5))), ValueError, r"`out`.*read-only"),
    "list for out": (dense(out=[0]), TypeError, r"`out`.*list"),
    "masked out": (dense(out=np.ma.ones((6, 7, 5))), TypeError, r"`out`.*MaskedArray"),
    "out of an empty batch": (dense(np.ones((0, 8, 9, 3)), out=ones(6, 7, 5)), ValueError, r"`out`.*\(0, 6, 7, 5\)"),
}


@pytest.mark.parametrize("row", TABLE)
def test_a_bad_argument_gets_one_clear_line(row):
    assert_refused(*TABLE[row])


def test_a_layer_refuses_what_the_function_refuses():
    layer = SeparableConv2D(DEPTHWISE, POINTWISE)
    layer(X)  # what is remembered from a good call must not let a bad one through
    for call, exception, pattern in (
        (
            lambda: layer(X[..., :2]),
            ValueError,
            r"`x` must be \(H, W, 3\).*`depthwise_kernel` \(3, 3, 3\).*\(8, 9, 2\)",
        ),
        (lambda: layer(X[:2]), ValueError, r"`depthwise_kernel`.*larger than the padded image"),
        (lambda: layer(X + 1j), ValueError, r"`x` must be real"),
        (lambda: layer(np.ma.masked_less(X, 0)), ValueError, r"`x`.*masked"),
        (lambda: layer(X, workers=0), ValueError, r"`workers`"),
        (lambda: layer(X, workers=True - 1), ValueError, r"`workers`"),
        (lambda: layer(X, workers=1.5), TypeError, r"`workers`"),
        (lambda: layer(X, out=ones(6, 7, 4)), ValueError, r"`out`.*\(6, 7, 5\); got \(6, 7, 4\)"),
        (lambda: layer(X, out=ones(6, 7, 5).astype("f8")), ValueError, r"`out`.*float32; got float64"),
        (lambda: layer(X, out=read_only(ones(6, 7, 5))), ValueError, r"`out`.*read-only"),
        (lambda: layer(X, out=X.tolist()), TypeError, r"`out`.*list"),
        (lambda: layer.output_shape((8, 9, 2)), ValueError, r"`x` must be \(H, W, 3\).*\(8, 9, 2\)"),
        (lambda: layer.output_shape((8, -9, 3)), ValueError, r"`shape`.*-9"),
        (lambda: layer.output_shape((8, 0.5, 3)), TypeError, r"`shape`.*0\.5"),
        (
            lambda: layer.output_shape(8),
            TypeError,
            r"`shape` must be \(H, W, C\) or \(N, H, W, C\), whole numbers; got 8\.",
        ),
        (lambda: layer.output_shape((None, 9, 3)), TypeError, r"`shape`.*whole numbers; got \(None, 9, 3\)"),
        (lambda: layer.output_shape({8, 9, 3}), TypeError, r"`shape`.*whole numbers"),
        (lambda: layer.output_shape((2**21, 2**21, 3)), ValueError, r"`x` must have at most 1099511627776 pixels"),
        (lambda: SeparableConv2D(DEPTHWISE, ones(4, 5)), ValueError, r"`pointwise_kernel` must be \(3, F\).*\(4, 5\)"),
        (lambda: SeparableConv2D(DEPTHWISE, POINTWISE, stride=0), ValueError, r"`stride`"),
        (lambda: Conv2D(DEPTHWISE), ValueError, r"`kernel` must be \(kh, kw, C, F\); got shape \(3, 3, 3\)"),
        (lambda: Conv2D(DENSE, bias=ones(3)), ValueError, r"`bias` must have shape \(5,\).*\(3,\)"),
        (lambda: Conv2D(DENSE)(X[:2]), ValueError, r"`kernel`.*larger than the padded image"),
        (lambda: DepthwiseConv2D(POINTWISE), ValueError, r"`kernel` must be \(kh, kw, C\) or .*got shape \(3, 5\)"),
        (lambda: DepthwiseConv2D(DEPTHWISE)(X[..., :2]), ValueError, r"`x` must be \(H, W, 3\).*\(8, 9, 2\)"),
        (lambda: DepthwiseConv2D(DEPTHWISE)(X, out=ones(8, 9, 3)), ValueError, r"`out`.*\(6, 7, 3\)"),
        (lambda: SeparableConv2D(DEPTHWISE, POINTWISE, activation="elu"), ValueError, r"`activation`.*'elu'"),
    ):
        with pytest.raises(exception, match=pattern):
            call()


@pytest.mark.parametrize(
    "bad",
    [
        {"stride": 0},
        {"padding": "odd"},
        {"dilation": 20},
        {"bias": [1]},
        {"depthwise_bias": [1]},
        {"activation": "odd"},
        {"mode": "odd"},
        {"cval": None},
        {"data_format": "odd"},
        {"workers": 0},
        {"workers": "two"},
    ],
    ids=str,
)
def test_nothing_is_written_into_out_when_a_call_is_refused(bad):
    out = np.full((6, 7, 5), 7, "f4")
    with pytest.raises((ValueError, TypeError)):
        separable_conv2d(X, DEPTHWISE, POINTWISE, out=out, **bad)
    with pytest.raises((ValueError, TypeError)):
        separable_conv2d(X[..., :2], DEPTHWISE, POINTWISE, out=out)
    with pytest.raises(ValueError, match="shape"):
        separable_conv2d(X, DEPTHWISE, POINTWISE, out=out[:, :6])
    with pytest.raises(ValueError, match="dtype"):
        separable_conv2d(X.astype("f8"), DEPTHWISE, POINTWISE, out=out)
    layer = SeparableConv2D(DEPTHWISE, POINTWISE)
    with pytest.raises((ValueError, TypeError)):
        layer(X, out=out, workers=0)
    assert (out == 7).all()


def test_errors_are_those_of_the_public_names():
    assert fastsep.conv2d is conv2d
    assert (fastsep.Conv2D, fastsep.DepthwiseConv2D) == (Conv2D, DepthwiseConv2D)
    assert fastsep.SeparableConv2D is SeparableConv2D


@pytest.mark.parametrize("layer", [fastsep.Conv2D, fastsep.DepthwiseConv2D])
def test_numbers_of_filters_are_no_weights(layer):
    with pytest.raises(
        ValueError, match=r"^`kernel` must be \(.*; got shape \(\)\. It is the weights themselves, not how"
    ):
        layer(32)

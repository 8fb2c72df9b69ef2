"""Costs against the worked examples, a count by hand, and the shapes that the convolutions have."""

import dataclasses

import numpy as np
import pytest
from helpers import assert_refused
from hypothesis import given
from hypothesis import strategies as st

import fastsep
from fastsep.layer_cost import conv_cost

FORMS = ("standard", "depthwise", "pointwise", "separable")


def multiplications(cost):
    return [getattr(cost, form).multiplications for form in FORMS]


def test_the_worked_examples():
    rgb = conv_cost((12, 12, 3), 5, 256)
    assert rgb.output_shape == (8, 8, 256)
    assert multiplications(rgb) == [1_228_800, 4_800, 49_152, 53_952]
    small = conv_cost((7, 7, 3), (3, 3), 128)
    assert small.output_shape == (5, 5, 128)
    assert multiplications(small) == [86_400, 675, 9_600, 10_275]


def test_a_mobilenet_layer():
    cost = conv_cost((112, 112, 64), 3, 128, stride=2, padding="same")
    assert cost.output_shape == (56, 56, 128)
    assert cost.separable.multiplications == 56 * 56 * 64 * (9 + 128)
    assert [getattr(cost, form).weights for form in FORMS] == [73_728, 576, 8_192, 8_768]


def test_by_counting():
    """One multiplication for every weight that a loop meets."""
    cost = conv_cost((9, 11, 2), (3, 4), 5, stride=(2, 3), padding=(1, 2), dilation=(2, 1), depth_multiplier=3)
    rows = range(-1, 9 + 1 - 4, 2)  # of the upper left pixel, for a kernel that reaches over 5 x 4 pixels
    columns = range(-2, 11 + 2 - 3, 3)
    pixels = sum(1 for _ in rows for _ in columns)
    assert cost.output_shape == (len(rows), len(columns), 5)
    dense = sum(1 for _ in range(3) for _ in range(4) for _ in range(2) for _ in range(5))
    depthwise = sum(1 for _ in range(3) for _ in range(4) for _ in range(2) for _ in range(3))
    pointwise = sum(1 for _ in range(2) for _ in range(3) for _ in range(5))
    assert multiplications(cost) == [pixels * n for n in (dense, depthwise, pointwise, depthwise + pointwise)]


sizes = st.integers(1, 9)
steps = st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3)))
paddings = st.one_of(
    st.sampled_from(["valid", "same"]),
    st.integers(0, 4),
    st.tuples(*2 * [st.integers(0, 4)]),
    st.tuples(*2 * [st.tuples(*2 * [st.integers(0, 4)])]),
)


@given(
    shape=st.tuples(sizes, sizes, sizes), kernel=st.tuples(sizes, sizes), filters=sizes, multiplier=st.integers(1, 3),
    stride=steps, padding=paddings, dilation=steps,
)  # fmt: skip
def test_shapes_and_weights_are_those_of_the_convolutions(
    shape, kernel, filters, multiplier, stride, padding, dilation
):
    depthwise = np.ones((*kernel, shape[2], multiplier))
    pointwise = np.ones((shape[2] * multiplier, filters))
    where = {"stride": stride, "padding": padding, "dilation": dilation}
    layer = fastsep.SeparableConv2D(depthwise, pointwise, **where)
    try:
        expected = layer.output_shape(shape)
    except ValueError:
        with pytest.raises(ValueError, match="larger than the padded image"):
            conv_cost(shape, kernel, filters, depth_multiplier=multiplier, **where)
        return
    cost = conv_cost(shape, kernel, filters, depth_multiplier=multiplier, **where)
    assert cost.output_shape == expected
    assert cost.depthwise.weights == depthwise.size
    assert cost.pointwise.weights == pointwise.size
    for form in FORMS:
        part = getattr(cost, form)
        assert part.multiplications == part.weights * expected[0] * expected[1]
        assert part.ratio == cost.standard.weights / part.weights
    assert cost.separable.weights == cost.depthwise.weights + cost.pointwise.weights
    taps = kernel[0] * kernel[1]
    assert cost.separable.ratio == pytest.approx(1 / (multiplier / filters + multiplier / taps), rel=1e-12)


def test_counts_are_exact_beyond_64_bits():
    cost = conv_cost((2**40, 2**40, 2**10), 3, 2**10)
    assert cost.standard.multiplications == (2**40 - 2) ** 2 * 9 * 2**20


def test_integers_of_any_kind_are_taken_and_given_back_as_python_s():
    cost = conv_cost(np.array([12, 12, 3]), np.int64(5), np.uint8(255))
    assert cost == conv_cost((12, 12, 3), (5, 5), 255)
    assert all(type(n) is int for n in (*cost.input_shape, *cost.output_shape, cost.standard.multiplications))
    with pytest.raises(dataclasses.FrozenInstanceError):
        cost.kernel_size = (1, 1)
    assert len({cost, conv_cost((12, 12, 3), 5, 255)}) == 1


def test_it_prints_a_table():
    lines = str(conv_cost((56, 56, 64), 3, 64, padding="same", depth_multiplier=2)).splitlines()
    assert lines[0] == "56 x 56 x 64 -> 56 x 56 x 64, kernel 3 x 3, depth multiplier 2"
    assert [line.split()[0] for line in lines[2:]] == list(FORMS)
    assert len({len(line) for line in lines[1:]}) == 1
    assert lines[-1].split() == ["separable", "29,302,784", "9,344", "3.95"]


SHAPE = (12, 12, 3)
BAD = {
    "two sizes": (lambda: conv_cost((12, 12), 5, 8), ValueError, r"`input_shape`.*\(H, W, C\).*\(12, 12\)"),
    "a batch": (lambda: conv_cost((1, 12, 12, 3), 5, 8), ValueError, r"`input_shape`.*\(H, W, C\)"),
    "a number for the shape": (lambda: conv_cost(12, 5, 8), ValueError, r"`input_shape`.*12"),
    "text for the shape": (lambda: conv_cost("abc", 5, 8), ValueError, r"`input_shape`.*'abc'"),
    "sizes without order": (lambda: conv_cost({12, 13, 3}, 5, 8), ValueError, r"`input_shape`.*\(H, W, C\)"),
    "no rows": (lambda: conv_cost((0, 12, 3), 5, 8), ValueError, r"`input_shape`.*1.*0"),
    "fractional size": (lambda: conv_cost((12, 12.5, 3), 5, 8), TypeError, r"`input_shape`.*12\.5"),
    "infinite size": (lambda: conv_cost((12, float("inf"), 3), 5, 8), TypeError, r"`input_shape`.*inf"),
    "kernel of zero": (lambda: conv_cost(SHAPE, 0, 8), ValueError, r"`kernel_size`.*0"),
    "three kernel sizes": (lambda: conv_cost(SHAPE, (3, 3, 3), 8), ValueError, r"`kernel_size`.*3 values"),
    "no filters": (lambda: conv_cost(SHAPE, 3, 0), ValueError, r"`filters`.*0"),
    "filters in a list": (lambda: conv_cost(SHAPE, 3, [8]), TypeError, r"`filters`.*\[8\]"),
    "multiplier of zero": (lambda: conv_cost(SHAPE, 3, 8, depth_multiplier=0), ValueError, r"`depth_multiplier`.*0"),
    "stride of zero": (lambda: conv_cost(SHAPE, 3, 8, stride=0), ValueError, r"`stride`.*0"),
    "dilation of zero": (lambda: conv_cost(SHAPE, 3, 8, dilation=(1, 0)), ValueError, r"`dilation`.*0"),
    "unknown padding": (lambda: conv_cost(SHAPE, 3, 8, padding="full"), ValueError, r"`padding`.*valid.*same.*'full'"),
    "no padding": (lambda: conv_cost(SHAPE, 3, 8, padding=None), TypeError, r"`padding`.*valid.*same.*None"),
    "negative padding": (lambda: conv_cost(SHAPE, 3, 8, padding=-1), ValueError, r"`padding`.*-1"),
    "large kernel": (
        lambda: conv_cost(SHAPE, 5, 8, dilation=3, padding=((0, 0), (1, 1))),
        ValueError,
        r"`kernel_size` \(5, 5\).*13 x 13 pixels; got 12 x 14 of `input_shape` \(12, 12, 3\)",
    ),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_arguments_get_one_line(call, error, message):
    assert_refused(call, error, message)

"""Means of bytes over small windows: exact, rounded half to even, whatever the window, the image and the vectors."""

import numpy as np
import pytest
from helpers import LEVELS, MODES
from scipy import ndimage as ndi

import fastsep
from fastsep._engine import execution
from fastsep._plan import planner
from fastsep._plan.division import MOST_BYTES, NEVER, division
from fastsep._plan.spec import Box

PADS = {"reflect": "symmetric", "nearest": "edge", "mirror": "reflect", "wrap": "wrap", "constant": "constant"}


def means(image, size, mode, cval):
    """The same in Python's way: sums of all pixels under the window, divided in float64, which rounds no such mean."""
    around = [(n // 2, n - 1 - n // 2) for n in size] + [(0, 0)] * (image.ndim - 2)
    padded = np.pad(image.astype(np.int64), around, PADS[mode], **({"constant_values": cval} if cval else {}))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, (0, 1))
    return np.rint(windows.sum((-2, -1)) / np.prod(size)).astype(image.dtype)


@pytest.mark.parametrize("truncated", [False, True])
def test_every_sum_is_divided_exactly(truncated):
    for divisor in range(2, MOST_BYTES + 1):
        how = division(divisor, truncated)
        assert all(0 <= number <= 0xFFFF for number in how)
        sums = np.arange(255 * divisor + 1, dtype=np.int64)
        raised = sums + how.add
        assert raised[-1] < NEVER
        quotient = (raised * how.multiplier >> 16) * how.scale >> 16
        quotient -= (raised - quotient * divisor == how.tie) & quotient
        expected = sums // divisor if truncated else np.rint(sums / divisor)
        np.testing.assert_array_equal(quotient, expected)


@pytest.mark.parametrize("level", ["native", *LEVELS], indirect=True)
@pytest.mark.parametrize("size", [2, 3, 6, 25, 100, 217, 225, 256])
def test_every_sum_of_a_column_is_rounded_half_to_even(size, level):
    sums = np.arange(255 * size + 1)
    rest, row = sums % size, np.arange(size)[:, None]
    image = (sums // size + (row < rest)).astype(np.uint8)
    result = fastsep.box(image, (size, 1), mode="wrap", dtype=np.uint8)
    np.testing.assert_array_equal(result, np.broadcast_to(np.rint(sums / size), image.shape))


@pytest.mark.parametrize("level", ["native", *LEVELS], indirect=True)
def test_windows_of_every_shape(level, rng):
    for height in range(1, 18):
        for width in (*range(1, 18), 24, 25, 26):
            number = 18 * height + width
            mode = MODES[number % 5]
            shape = [(40, 70), (29, 33, 3), (33, 150), (31, 40, 2), (30, 31)][number % 7 % 5]
            image = rng.integers(0, 256, shape, np.uint8)
            cval = int(rng.integers(0, 256)) if mode == "constant" else 0
            channel_axis = -1 if image.ndim == 3 else None
            result = fastsep.box(
                image, (height, width), mode=mode, cval=cval, channel_axis=channel_axis, dtype=np.uint8,
                workers=1 + number % 2,
            )  # fmt: skip
            expected = means(image, (height, width), mode, cval)
            np.testing.assert_array_equal(result, expected, err_msg=f"{(height, width)} {mode} {shape}")


@pytest.mark.parametrize("dtype", ["int16", "uint16"])
def test_wider_integers_hold_the_same_means(dtype, rng):
    image = rng.integers(0, 256, (50, 60), np.uint8)
    result = fastsep.box(image, 5, dtype=dtype)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, fastsep.box(image, 5, dtype=np.uint8))


def test_a_border_that_is_no_byte_counts_as_it_is():
    image = np.full((5, 5), 200, np.uint8)
    for cval, corner in ((-250.0, 0), (1000.0, 255), (10.5, 95)):  # means of 4 pixels and 5 times the border
        assert fastsep.box(image, 3, mode="constant", cval=cval, dtype=np.uint8)[0, 0] == corner


def test_sums_that_leave_16_bits_or_are_long_go_another_way():
    image = np.zeros((300, 300), np.uint8)
    sizes = ((5, 5), (16, 16), (17, 16), (256, 1), (1, 60))
    notes = [fastsep.explain(fastsep.box, image, size, dtype=np.uint8).notes[0] for size in sizes]
    assert [note.split()[1] for note in notes] == ["small_box", "small_box", "box", "small_box", "box"]


@pytest.mark.parametrize("level", ["native", *LEVELS], indirect=True)
@pytest.mark.parametrize("size", [(3, 3), (5, 2), (1, 25), (256, 1), (200, 20), (2, 7)])
def test_means_cast_after_each_axis_equal_scipys(size, level, rng):
    for mode, shape in zip(MODES, ((40, 70), (33, 150), (1, 9), (7, 5), (260, 31)), strict=True):
        image = rng.integers(0, 256, shape, np.uint8)
        plan = planner.prepare(
            Box(size, cast=True), shape, image.dtype, image.dtype, first=0, modes=(mode, mode), cval=77.0, scale=1.0
        )
        assert plan.strategy == "small_box"
        result = execution.Runner(plan).run(image, None, 2)
        np.testing.assert_array_equal(result, ndi.uniform_filter(image, size, mode=mode, cval=77.0))

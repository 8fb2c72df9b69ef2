"""Means of integers over small windows: exact, whatever the window, the image and the vectors."""

import numpy as np
import pytest
from helpers import LEVELS, MODES, slow
from scipy import ndimage as ndi

import fastsep
from fastsep._engine import execution
from fastsep._plan import planner
from fastsep._plan.division import NEVER, division, float_division
from fastsep._plan.planner import MOST_SUMMED
from fastsep._plan.spec import Box

PADS = {"reflect": "symmetric", "nearest": "edge", "mirror": "reflect", "wrap": "wrap", "constant": "constant"}
DTYPES = ("uint8", "uint16", "int16")
on_every_level = pytest.mark.parametrize("level", ["native", *slow(*LEVELS)], indirect=True)


def random_image(rng, dtype, shape):
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def means(image, size, mode, cval):
    """Sums of all pixels under the window, divided in float64, which is exact enough to be rounded half to even."""
    around = [(n // 2, n - 1 - n // 2) for n in size] + [(0, 0)] * (image.ndim - 2)
    padded = np.pad(image.astype(np.int64), around, PADS[mode], **({"constant_values": cval} if cval else {}))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size, (0, 1))
    return np.rint(windows.sum((-2, -1)) / np.prod(size)).astype(image.dtype)


@pytest.mark.parametrize("truncated", [False, True])
def test_every_sum_of_bytes_is_divided_exactly(truncated):
    for divisor in range(2, MOST_SUMMED + 1):
        how = division(divisor, truncated)
        assert all(0 <= number <= 0xFFFF for number in how)
        sums = np.arange(255 * divisor + 1)
        raised = sums + how.add
        assert raised[-1] < NEVER
        quotient = (raised * how.multiplier >> 16) * how.scale >> 16
        quotient -= (raised - quotient * divisor == how.tie) & quotient
        np.testing.assert_array_equal(quotient, sums // divisor if truncated else np.rint(sums / divisor))


@pytest.mark.parametrize("truncated", [False, True])
def test_sums_of_16_bit_integers_around_every_switch_are_divided_exactly(truncated):
    whole = np.concatenate([np.arange(k, k + 300) for k in (-32767, -16500, -150, 16200, 32600, 65234)])
    for divisor in range(2, MOST_SUMMED + 1):
        by, magic = np.array(float_division(divisor, truncated), np.float32)
        beside = np.array([-1, 0, 1, divisor // 2 - 1, divisor // 2, divisor // 2 + 1])
        sums = np.add.outer(whole * divisor, beside)
        quotient = np.trunc((sums.astype(np.float32) / by + magic) - magic)
        np.testing.assert_array_equal(quotient, (np.trunc if truncated else np.rint)(sums / divisor))


@on_every_level
@pytest.mark.parametrize("size", [2, 3, 6, 25, 100, 217, 225, 256])
def test_every_sum_of_a_column_of_bytes_is_rounded_half_to_even(size, level):
    sums = np.arange(255 * size + 1)
    image = (sums // size + (np.arange(size)[:, None] < sums % size)).astype(np.uint8)
    result = fastsep.box(image, (size, 1), mode="wrap", dtype=np.uint8)
    np.testing.assert_array_equal(result, np.broadcast_to(np.rint(sums / size), image.shape))


@on_every_level
@pytest.mark.parametrize("dtype", ["uint8", *slow("uint16", "int16")])
def test_windows_of_every_shape(dtype, level, rng):
    for height in (1, 2, 3, 4, 5, 8, 9, 15, 16, 17):
        for width in (*range(1, 18), 25, 26):
            number = 18 * height + width
            mode = MODES[number % 5]
            image = random_image(rng, dtype, [(40, 70), (29, 33, 3), (33, 150), (31, 40, 2), (30, 31)][number % 7 % 5])
            cval = int(random_image(rng, dtype, ())) if mode == "constant" else 0
            result = fastsep.box(
                image, (height, width), mode=mode, cval=cval, channel_axis=-1 if image.ndim == 3 else None,
                dtype=dtype, workers=1 + number % 2,
            )  # fmt: skip
            expected = means(image, (height, width), mode, cval)
            np.testing.assert_array_equal(result, expected, err_msg=f"{(height, width)} {mode} {image.shape}")


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_largest_sums(dtype):
    for value in (np.iinfo(dtype).min, np.iinfo(dtype).max):
        image = np.full((40, 50), value, dtype)
        for size in (15, (16, 15), (256, 1), (17, 15)):
            np.testing.assert_array_equal(fastsep.box(image, size, dtype=dtype), image)


@pytest.mark.parametrize("dtype", ["uint16", *slow("int16")])
def test_wider_integers_hold_the_same_means(dtype, rng):
    image = random_image(rng, "uint8", (50, 60))
    result = fastsep.box(image, 5, dtype=dtype)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, fastsep.box(image, 5, dtype=np.uint8))


@pytest.mark.slow
def test_narrower_integers_saturate(rng):
    image = random_image(rng, "int16", (50, 60))
    expected = np.clip(means(image, (3, 3), "reflect", 0), 0, 255)
    np.testing.assert_array_equal(fastsep.box(image, 3, dtype=np.uint8), expected)


def test_a_border_that_is_no_byte_counts_as_it_is():
    image = np.full((5, 5), 200, np.uint8)
    for cval, corner in ((-250.0, 0), (1000.0, 255), (10.5, 95)):  # means of 4 pixels and 5 times the border
        assert fastsep.box(image, 3, mode="constant", cval=cval, dtype=np.uint8)[0, 0] == corner
        assert fastsep.box(image, 3, mode="nearest", cval=cval, dtype=np.uint8)[0, 0] == 200


@pytest.mark.parametrize(
    ("dtype", "size", "kernel"),
    [
        ("uint8", (16, 16), "small_box"), ("uint8", (17, 16), "box"), ("uint8", (256, 1), "small_box"),
        ("uint8", (1, 60), "box"), ("uint16", (15, 15), "small_box"), ("int16", (5, 16), "box"),
    ],
)  # fmt: skip
def test_sums_that_are_too_large_or_long_go_another_way(dtype, size, kernel):
    (note,) = fastsep.explain(fastsep.box, np.zeros((300, 300), dtype), size, dtype=dtype).notes
    assert note.split()[1] == kernel


@on_every_level
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(3, 3), (5, 2), (1, 15), (256, 1), (200, 14), (2, 7)])
def test_means_cast_after_each_axis_equal_scipys(size, dtype, level, rng):
    for mode, shape in zip(MODES, ((40, 70), (33, 150), (1, 9), (7, 5), (260, 31)), strict=True):
        image = random_image(rng, dtype, shape)
        plan = planner.prepare(
            Box(size, cast=True), shape, image.dtype, image.dtype, first=0, modes=(mode, mode), cval=77.0, scale=1.0
        )
        assert plan.strategy == "small_box"
        result = execution.Runner(plan).run(image, None, 2)
        np.testing.assert_array_equal(result, ndi.uniform_filter(image, size, mode=mode, cval=77.0))

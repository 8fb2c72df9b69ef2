"""The value of a rank in a window: networks, dtypes, NaN, borders and windows of any form."""

import itertools

import numpy as np
import pytest
import reference
from case_kinds import disk, rank
from helpers import MODES, kernels_of, noise, same_bits, slow

import fastsep
from fastsep._kernels import selection
from fastsep._kernels.stages import stages
from fastsep._plan import ranking

DTYPES = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)] + ["float32", "float64"]


def windows(count, rng):
    """Windows of one to three axes with a rank and a centre; some full."""
    for number in range(count):
        ndim = number % 3 + 1
        footprint = rng.random(rng.integers(1, (12, 7, 4)[ndim - 1], ndim)) < rng.choice((0.4, 0.8, 1.0))
        footprint.flat[rng.integers(footprint.size)] = True
        centre = tuple(int(rng.integers(size)) for size in footprint.shape)
        yield footprint, centre, int(rng.integers(np.count_nonzero(footprint)))


def bits_of(network, rows):
    """The results of a network for rows of zeros and ones, by numbers of which each bit is a column."""
    values = dict(enumerate(rows))
    seen = lambda value: values[value[0]] >> value[1]  # noqa: E731
    for each in network.comparisons:
        one, other = seen(each.first), seen(each.second)
        values.update({each.low: one & other, each.high: one | other})
    return [seen(result) for result in network.results]


@pytest.mark.parametrize("shape", [(1, 3, 3), (1, 2, 5), (2, 2, 2), *slow((1, 1, 9), (1, 9, 1))])
def test_networks_rank_all_zeros_and_ones(shape):
    """The 0-1 principle: what ranks all of these ranks all values."""
    planes, rows, cols = shape
    for number, height in itertools.product((0, 2, planes * rows * cols // 2), (1, 2)):
        network = selection.network(np.ones(shape, bool).tobytes(), shape, number, height)
        taken = rows + height - 1
        for pixels in itertools.product(range(1 << cols), repeat=planes * taken):
            results = bits_of(network, pixels)
            for below, result in enumerate(results):
                window = [pixels[plane * taken + below + y] for plane in range(planes) for y in range(rows)]
                ones = sum(pixel.bit_count() for pixel in window)
                assert result & 1 == (ones >= planes * rows * cols - number)


def test_networks_of_windows_of_any_form_rank_rows_of_noise(rng):
    for footprint, _, number in windows(150, rng):
        if footprint.ndim < 3:
            footprint = footprint.reshape((1,) * (3 - footprint.ndim) + footprint.shape)
        height = int(rng.integers(1, 9))
        network = selection.named(selection.name(footprint, number, height))
        rows = rng.integers(0, 9, (network.rows, 20))
        values = dict(enumerate(rows))
        for low, high, (one, right), (other, further) in network.comparisons:
            pair = np.roll(values[one], -right), np.roll(values[other], -further)
            values.update({low: np.minimum(*pair), high: np.maximum(*pair)})
        taken = footprint.shape[1] + height - 1
        for below, (value, shift) in enumerate(network.results):
            window = [np.roll(rows[plane * taken + y + below], -x) for plane, y, x in np.argwhere(footprint)]
            np.testing.assert_array_equal(np.roll(values[value], -shift), np.sort(window, axis=0)[number])


@pytest.mark.parametrize("size", [3, 5, 7, 9])
def test_stages_keep_what_later_ones_read(size):
    footprint = np.ones((1, size, size), bool)
    network = selection.named(selection.name(footprint, size * size // 2, selection.height(footprint)))
    plan = stages(network)
    memory = {}  # by row, which value is there
    for stage in plan.stages:
        made = set()
        for each in stage.comparisons:
            for value, shift in (each.first, each.second):
                if value >= network.rows and (shift or value not in made):
                    assert value in memory.values()
            made |= {each.low, each.high}
        assert len(set(stage.stored.values())) == len(stage.stored)
        memory.update({row: value for value, row in stage.stored.items()})
    assert {value for value, _ in network.results} <= made
    assert max(memory) < plan.rows


@pytest.mark.parametrize(
    "dtype", ["uint8", "float32", *slow(*(name for name in DTYPES if name not in ("uint8", "float32")))]
)
def test_every_dtype(dtype, rng):
    for footprint, centre, number in windows(12, rng):
        case = rank(footprint, "table", (dtype,), centre=centre, number=number)
        image = noise(rng, dtype, (13, 9, 21)[-footprint.ndim :])
        mode, cval = MODES[number % 5], 3.0
        case.check(case.call(image, mode=mode, cval=cval), image, dtype, (mode,) * footprint.ndim, cval)


@pytest.mark.parametrize("dtype", ["bool", *slow("float16", ">u2")])
def test_other_dtypes_come_back_as_they_are(dtype, rng):
    image = noise(rng, dtype)
    result = rank(disk(2), "table", (dtype,), number=3).call(image)
    assert result.dtype == image.dtype.newbyteorder("=")
    expected = reference.exact(rank(disk(2), "table", (dtype,), number=3).what, image, modes=("reflect",) * 2)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("size", [3, *slow(6), 8])
@pytest.mark.parametrize("dtype", ["float32", *slow("float64")])
def test_nan_of_either_sign_is_larger_than_infinity(dtype, size, rng):
    image = noise(rng, dtype)
    image.flat[::3], image.flat[1::5], image.flat[2::7], image.flat[3::11] = np.nan, -np.nan, np.inf, -np.inf
    for number in (0, size * size // 2, size * size - 1):
        case = rank(np.ones((size, size)), "table", (dtype,), number=number)
        case.check(case.call(image), image, dtype, ("reflect",) * 2, 0.0)


def test_a_single_pixel_comes_back_bit_for_bit(rng):
    image = rng.integers(0, 1 << 32, (40, 50), np.uint32).view(np.float32)  # NaN of all kinds among them
    assert same_bits(rank([[1]], "table", ("float32",)).call(image), image)


def test_a_window_with_one_pixel_shifts(rng):
    image = noise(rng, "uint8")
    result = rank([[0, 0, 0], [0, 0, 1]], "table", ("uint8",), centre=(0, 0)).call(image, mode="nearest")
    rows, cols = (np.minimum(np.arange(size) + by, size - 1) for size, by in zip(image.shape, (1, 2), strict=True))
    np.testing.assert_array_equal(result, image[np.ix_(rows, cols)])


@pytest.mark.parametrize("dtype", ["uint8", *slow("int8")])
def test_large_windows_of_bytes(dtype, rng):
    for size, number in (((31, 31), 480), ((40, 7), 2), ((12, 63), 755)):
        case = rank(np.ones(size), "histogram", (dtype,), number=number)
        for shape in ((50, 67), (3, 200), (1, 1)):
            image = noise(rng, dtype, shape)
            case.check(case.call(image), image, dtype, ("reflect",) * 2, 0.0)


@pytest.mark.parametrize("dtype", ["uint8", *slow("int8")])
def test_results_that_differ_more_than_histograms_have_values(dtype, rng):
    rows, cols = np.ogrid[:150, :300]
    contrast = np.where(cols // 40 % 2, 0, 255), np.where(rows // 23 % 2, 3, 130) + cols // 3, rows + 0 * cols
    for number in (0, 112, 224):
        case = rank(np.ones((15, 15)), "cumulative", (dtype,), number=number)
        for values in contrast:
            image = (values + rng.integers(0, 4, values.shape)).clip(0, 255).astype(np.uint8)
            if dtype == "int8":
                image = (image ^ 128).view(np.int8)
            case.check(case.call(image), image, dtype, ("reflect",) * 2, 0.0)


def test_an_empty_image():
    assert rank(np.ones((3, 3)), "registers", ("uint8",)).call(np.zeros((0, 4), np.uint8)).shape == (0, 4)


def test_only_medians_of_small_windows_are_compiled_by_themselves():
    fastsep.clear_caches()
    for footprint, number, expected in ((disk(2), 6, "rows"), (disk(2), 5, "table"), (np.ones((8, 8)), 32, "table")):
        case = rank(footprint, expected, ("uint8",), number=number)
        assert case.kernel in [key[:2] for key in kernels_of(case, "uint8", "uint8", (40, 40))]


def test_footprints_beyond_all_kernels_are_told():
    bytes_, floats = np.dtype("uint8"), np.dtype("float32")
    assert ranking.can_rank(np.ones((32, 32), bool), floats)
    assert not ranking.can_rank(np.ones((32, 33), bool), floats)
    assert ranking.can_rank(np.ones((1, 255, 255), bool), bytes_)
    assert not ranking.can_rank(np.ones((256, 256), bool), bytes_)
    assert not ranking.can_rank(disk(40), bytes_)
    assert not ranking.can_rank(np.ones((9, 40, 40), bool), bytes_)

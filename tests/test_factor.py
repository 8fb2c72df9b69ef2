"""Kernels as sums of rank-1 terms: exact for one of whole numbers, best otherwise, with errors that hold."""

import math
import pickle
from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from helpers import assert_refused
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

import fastsep
from fastsep.factorization import kernel as factor
from fastsep.factorization.kernel import Factorization, RankOne, factorize, is_separable

EPS = float(np.finfo(np.float64).eps)
SEEDS = st.integers(0, 2**32 - 1)
SHAPES = st.one_of(
    st.tuples(st.integers(1, 12)),
    st.tuples(*[st.integers(1, 12)] * 2),
    st.tuples(*[st.integers(1, 7)] * 3),
    st.tuples(*[st.integers(1, 5)] * 4),
)

BINOMIAL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])
LAPLACE_4 = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
LAPLACE_8 = np.array([[1, 1, 1], [1, -8, 1], [1, 1, 1]])
GAUSSIAN_273 = np.array([[1, 4, 7, 4, 1], [4, 16, 26, 16, 4], [7, 26, 41, 26, 7], [4, 16, 26, 16, 4], [1, 4, 7, 4, 1]])
LAPLACE_3D = sum(np.eye(27, dtype=int)[[4, 10, 12, 14, 16, 22]]).reshape(3, 3, 3) - 6 * np.eye(27, dtype=int)[
    13
].reshape(3, 3, 3)
Y, X = np.mgrid[-7:8, -7:8]
ALONG, ACROSS = X * math.cos(0.5) + Y * math.sin(0.5), Y * math.cos(0.5) - X * math.sin(0.5)
ROTATED = np.exp(-(ALONG**2) / 18 - ACROSS**2 / 4)
DISK = np.hypot(X, Y) <= 7.2


def norm(values):
    return float(np.sqrt((np.asarray(values, np.float64) ** 2).sum()))


def total(values):
    return float(np.abs(np.asarray(values, np.float64)).sum())


def outer(lines):
    product = np.asarray(lines[0], np.float64)
    for line in lines[1:]:
        product = np.multiply.outer(product, line)
    return product


def by_hand(parts):
    """The sum that defines the terms."""
    return sum((float(term.scale) * outer(term.taps) for term in parts.terms), np.zeros(parts.shape))


def rounding(kernel):
    # Backward error of one decomposition for each axis but one, and a sum of as many terms as are
    # left: a small multiple of eps times the Frobenius norm, of which a sum of magnitudes is at
    # most sqrt(size) times. 8 is generous for the constant of LAPACK and 4 for the roundings of a
    # product of taps.
    return 32 * kernel.ndim * EPS * math.sqrt(kernel.size) * norm(kernel)


def random(seed, shape):
    return np.random.default_rng(seed).standard_normal(shape)


# ---- whole numbers

ONE_TERM = {
    "sobel": ([[1, 0, -1], [2, 0, -2], [1, 0, -1]], 1, [(1, 2, 1), (1, 0, -1)]),
    "sobel, minus to the line that sums to zero": ([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], 1, [(1, 2, 1), (-1, 0, 1)]),
    "sobel, other axis": ([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], 1, [(-1, 0, 1), (1, 2, 1)]),
    "prewitt / 3": (np.array([[1, 1, 1], [0, 0, 0], [-1, -1, -1]]) / 3, Fraction(1, 3), [(1, 0, -1), (1, 1, 1)]),
    "scharr": ([[3, 0, -3], [10, 0, -10], [3, 0, -3]], 1, [(3, 10, 3), (1, 0, -1)]),
    "binomial": (BINOMIAL, 1, [(1, 4, 6, 4, 1)] * 2),
    "binomial / 256": (BINOMIAL / 256, Fraction(1, 256), [(1, 4, 6, 4, 1)] * 2),
    "minus binomial": (-BINOMIAL, 1, [(-1, -4, -6, -4, -1), (1, 4, 6, 4, 1)]),
    "binomial, whole floats beyond float32": (BINOMIAL * 1e9, 10**9, [(1, 4, 6, 4, 1)] * 2),
    "mean": (np.ones((3, 3)) / 9, Fraction(1, 9), [(1, 1, 1)] * 2),
    "tenths": ([[0.1, 0.2, 0.1], [0.3, 0.6, 0.3]], Fraction(1, 10), [(1, 3), (1, 2, 1)]),
    "even sizes": ([[1, 3, 3, 1], [2, 6, 6, 2]], 1, [(1, 2), (1, 3, 3, 1)]),
    "twice": ([[2, 0, -2], [4, 0, -4], [2, 0, -2]], 2, [(1, 2, 1), (1, 0, -1)]),
    "bool": (np.ones((2, 4), bool), 1, [(1, 1), (1, 1, 1, 1)]),
    "uint8": (np.full((2, 2), 255, np.uint8), 255, [(1, 1), (1, 1)]),
    "int64": (np.array([[2**52 + 1, 0], [0, 0]]), 2**52 + 1, [(1, 0), (1, 0)]),
    "one number": ([[5]], 5, [(1,), (1,)]),
    "minus one place": ([[0, 0, 0], [0, -1, 0]], 1, [(0, -1), (0, 1, 0)]),
    "a row": ([[-1, -2, -1]], 1, [(1,), (-1, -2, -1)]),
    "a line": ([1, -2, 1], 1, [(1, -2, 1)]),
    "a middle row": ([[0, 0, 0], [1, 2, 1], [0, 0, 0]], 1, [(0, 1, 0), (1, 2, 1)]),
    "n-D": (outer([(1, 2, 1), (1, 2, 1), (-1, 0, 1)]) / 16, Fraction(1, 16), [(1, 2, 1), (1, 2, 1), (-1, 0, 1)]),
}  # fmt: skip


@pytest.mark.parametrize(("kernel", "scale", "taps"), ONE_TERM.values(), ids=ONE_TERM.keys())
def test_whole_numbers_of_one_term_are_found_as_people_write_them(kernel, scale, taps):
    parts = factorize(kernel)
    assert (parts.rank, parts.full_rank, parts.exact, parts.error) == (1, 1, True, 0.0)
    (term,) = parts.terms
    assert term.scale == scale
    assert [tuple(line) for line in term.taps] == taps
    np.testing.assert_array_equal(parts.dense(), np.asarray(kernel, np.float64))
    assert parts.dense().dtype == np.float64
    assert is_separable(kernel)
    assert is_separable(kernel, tol=0)


@pytest.mark.parametrize(
    ("kernel", "rank"),
    [
        (LAPLACE_4, 2), (LAPLACE_8, 2), (GAUSSIAN_273 / 273, 3), (LAPLACE_3D, 4), (DISK / DISK.sum(), 5),
        (np.eye(5) / 5, 5), (np.random.default_rng(0).integers(-99, 100, (15, 15)), 15),
    ],
)  # fmt: skip
def test_whole_numbers_of_several_terms_are_taken_apart_by_singular_values(kernel, rank):
    parts = factorize(kernel)
    assert (parts.rank, parts.full_rank, parts.exact) == (rank, rank, False)
    assert parts.error <= rounding(kernel)
    assert not is_separable(kernel)


def test_values_without_a_small_common_denominator_are_separable_to_rounding():
    for kernel in (np.ones((3, 3), "f4") / 9, np.outer([1.0, 2, 1], [1, 0, -1]) * 1e-300, BINOMIAL * 1e300):
        parts = factorize(kernel)
        assert (parts.rank, parts.exact) == (1, False)
        assert parts.error <= 4 * EPS * total(kernel)  # each of the values is rounded a few times
        assert is_separable(kernel)


@given(seed=SEEDS, ndim=st.integers(1, 4), largest=st.integers(1, 50))
def test_outer_products_of_whole_numbers_are_taken_apart_again(seed, ndim, largest):
    rng = np.random.default_rng(seed)
    lines = [rng.integers(-largest, largest + 1, rng.integers(1, 7)) for _ in range(ndim)]
    kernel = outer(lines)
    parts = factorize(kernel.astype(np.int64))
    assert parts.exact
    assert parts.rank == int(kernel.any())
    np.testing.assert_array_equal(parts.dense(), kernel)
    for term in parts.terms:
        for line, taps in zip(lines, term.taps, strict=True):
            assert np.array_equal(taps * math.gcd(*map(int, line)), line) or np.array_equal(
                taps * math.gcd(*map(int, line)), -line
            )


@given(seed=SEEDS, shape=SHAPES, largest=st.integers(1, 9), divisor=st.sampled_from([1, 3, 7, 256, 1000]))
def test_small_numbers_are_exact_or_found_by_singular_values(seed, shape, largest, divisor):
    rng = np.random.default_rng(seed)
    kernel = rng.integers(-largest, largest + 1, shape) * (rng.random(shape) < 0.5) / divisor
    parts = factorize(kernel)
    if parts.exact:
        np.testing.assert_array_equal(parts.dense(), kernel)
        assert parts.error == 0.0
    else:
        assert parts.error <= rounding(kernel)
    np.testing.assert_allclose(parts.dense(), by_hand(parts), rtol=0, atol=rounding(kernel))
    if len(shape) == 2:
        assert parts.rank == np.linalg.matrix_rank(kernel)
        assert parts.exact == (parts.rank <= 1)


def test_large_kernels_are_not_looked_through():
    parts = factorize(np.ones((257, 257)))
    assert not parts.exact
    assert parts.rank == 1
    assert parts.error <= rounding(np.ones((257, 257)))


# ---- singular values


@given(seed=SEEDS, shape=SHAPES)
def test_all_terms_are_exact_to_rounding(seed, shape):
    kernel = random(seed, shape)
    parts = factorize(kernel)
    assert parts.error <= rounding(kernel)
    assert parts.error == pytest.approx(total(parts.dense() - kernel), rel=1e-12)
    assert norm(parts.dense() - by_hand(parts)) <= rounding(kernel)
    assert parts.rank == parts.full_rank
    assert parts.shape == shape
    assert parts.rank <= math.prod(sorted(shape)[:-1])
    for term in parts.terms:
        assert term.scale == 1 or parts.exact  # a single number is 1 times that
        assert [line.size for line in term.taps] == list(shape)
        assert all(line.dtype == np.float64 and not line.flags.writeable for line in term.taps)


@given(seed=SEEDS, m=st.integers(1, 12), n=st.integers(1, 12), data=st.data())
def test_every_rank_is_cut_after_the_largest_singular_values(seed, m, n, data):
    kernel = random(seed, (m, n))
    rank = data.draw(st.integers(1, min(m, n)))
    parts = factorize(kernel, rank=rank)
    values = np.linalg.svd(kernel, compute_uv=False)
    assert parts.rank == rank
    assert parts.full_rank == min(m, n)
    # Eckart and Young: no sum of so many terms is nearer.
    assert norm(parts.dense() - kernel) == pytest.approx(norm(values[rank:]), abs=rounding(kernel))
    np.testing.assert_allclose(
        [norm(outer(t.folded())) for t in parts.terms], values[:rank], rtol=0, atol=rounding(kernel)
    )


@given(seed=SEEDS, shape=SHAPES)
def test_terms_are_orthogonal_and_largest_first(seed, shape):
    kernel = random(seed, shape)
    terms = np.array([outer(term.taps).ravel() for term in factorize(kernel).terms])
    products = terms @ terms.T
    sizes = np.sqrt(np.diag(products))
    assert (np.diff(sizes) <= 1e-14 * sizes[0]).all()
    assert np.abs(products - np.diag(np.diag(products))).max() <= rounding(kernel) * norm(kernel)


@given(seed=SEEDS, shape=SHAPES)
def test_norm_is_shared_evenly_and_signs_are_settled(seed, shape):
    for term in factorize(random(seed, shape)).terms:
        several = [axis for axis, size in enumerate(shape) if size > 1] or [0]
        sizes = [norm(term.taps[axis]) for axis in several]
        np.testing.assert_allclose(sizes, sizes[0], rtol=1e-14)
        assert all(term.taps[axis][np.abs(term.taps[axis]).argmax()] > 0 for axis in several[1:])
        assert all(term.taps[axis].tolist() == [1.0] for axis in range(len(shape)) if axis not in several)


@given(seed=SEEDS, ndim=st.integers(2, 4))
def test_outer_products_of_floats_have_one_term(seed, ndim):
    rng = np.random.default_rng(seed)
    kernel = outer([rng.standard_normal(rng.integers(1, 7)) for _ in range(ndim)])
    parts = factorize(kernel)
    assert parts.rank == 1
    assert parts.error <= rounding(kernel)
    assert is_separable(kernel)


def test_the_axis_to_begin_with_is_the_one_that_gives_the_fewest_terms(rng):
    # By an axis with orthogonal lines the two terms come out by themselves; by the other one as
    # mixtures of each other, of two terms each.
    one, other = ([3, 0, 1, 0], [0, 1, 0, 2]), ([1, 1, 1, 1, 1], [-2, -1, 0, 1, 2])
    kernel = sum(outer([rng.standard_normal(6), one[k], other[k]]) for k in range(2))
    for axis in range(3):
        assert factorize(np.moveaxis(kernel, 0, axis)).rank == 2
    # Without orthogonal lines that is so by every axis: this is no CP decomposition.
    kernel = sum(outer([rng.standard_normal(n) for n in (5, 6, 7)]) for _ in range(2))
    assert factorize(kernel).rank == 4
    assert factorize(outer([rng.standard_normal(5), rng.standard_normal((6, 7))])).rank == 6


@pytest.mark.parametrize("size", [5e-324 * 2**60, 1e-300, 1e-160, 1e160, 1e300, 1e307])
def test_kernels_of_any_size(rng, size):
    kernel = rng.uniform(-1, 1, (5, 4)) * size
    parts = factorize(kernel)
    assert parts.rank == 4
    assert total((parts.dense() - kernel) / size) <= rounding(kernel / size)
    assert parts.error / size <= rounding(kernel / size)
    for term in parts.terms:
        sizes = [norm(line / math.sqrt(size)) for line in term.taps]
        assert 1e-4 < sizes[0] < 10
    one = factorize(kernel, rank=1)
    assert one.error / size == pytest.approx(total((one.dense() - kernel) / size), rel=1e-9)
    assert factorize(kernel, tol=one.error * 1.001).rank == 1
    assert not is_separable(kernel)
    assert is_separable(outer([rng.standard_normal(5), rng.standard_normal(4) * size]))


@pytest.mark.parametrize("shape", [(6,), (5, 4), (3, 4, 5), (3, 2, 4, 3)])
@pytest.mark.parametrize("exponent", [-240, -1, 1, 240])
def test_a_power_of_two_costs_no_bit(rng, shape, exponent):
    kernel = rng.standard_normal(shape)
    parts, scaled = factorize(kernel), factorize(kernel * 2.0 ** (exponent * len(shape)))
    assert parts.error * 2.0 ** (exponent * len(shape)) == scaled.error
    for term, other in zip(parts.terms, scaled.terms, strict=True):
        for line, taps in zip(term.taps, other.taps, strict=True):
            np.testing.assert_array_equal(line * 2.0**exponent, taps)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_term_larger_than_any_float_is_no_trouble(sign):
    kernel = np.full((3, 3), 1.7e308)
    kernel[1, 1] *= sign * 0.123456789
    parts = factorize(kernel)
    np.testing.assert_allclose(parts.dense(), kernel, rtol=1e-14)
    assert parts.error <= 1e-14 * 1.7e308


# ---- rank and tol


@given(seed=SEEDS, shape=SHAPES, tol=st.floats(0, 20))
def test_tol_gives_the_fewest_terms_within_it(seed, shape, tol):
    kernel = random(seed, shape)
    parts = factorize(kernel, tol=tol)
    assert parts.error <= max(tol, rounding(kernel))
    full = factorize(kernel)
    assert parts.full_rank == full.rank
    if parts.rank < full.rank:
        assert parts.error <= tol
    for fewer in range(1, parts.rank):
        assert factorize(kernel, rank=fewer).error > tol


@settings(max_examples=10)
@given(seed=SEEDS, shape=SHAPES)
def test_more_terms_are_nearer(seed, shape):
    kernel = random(seed, shape)
    full = factorize(kernel).rank
    found = [factorize(kernel, rank=rank) for rank in range(1, full + 2)]
    assert [parts.rank for parts in found] == [*range(1, full + 1), full]
    distances = [norm(parts.dense() - kernel) for parts in found]
    assert (np.diff(distances) <= rounding(kernel)).all()
    ranks = [factorize(kernel, tol=tol).rank for tol in (0.0, 1e-9, 0.1, 1.0, 10.0, 1e6)]
    assert ranks == sorted(ranks, reverse=True)
    assert ranks[0] == full
    assert ranks[-1] == 1  # one at least


def test_an_exact_term_is_used_whatever_is_allowed():
    for options in ({"rank": 1}, {"rank": 7}, {"tol": 0}, {"tol": 1e6}):
        assert factorize(BINOMIAL, **options).exact


def test_a_tol_below_rounding_gives_all_terms_and_says_what_they_reach(rng):
    kernel = rng.standard_normal((6, 6))
    parts = factorize(kernel, tol=1e-300)
    assert parts.rank == 6
    assert parts.error > 1e-300
    assert parts.error == pytest.approx(total(parts.dense() - kernel), rel=1e-12)


# ---- what the error promises


@settings(max_examples=200)
@given(seed=SEEDS, shape=SHAPES.filter(lambda shape: len(shape) < 4), data=st.data())
def test_no_filtered_value_is_off_by_more_than_the_error_says(seed, shape, data):
    rng = np.random.default_rng(seed)
    kernel = rng.standard_normal(shape) * 10.0 ** rng.uniform(-3, 3, shape)
    parts = factorize(kernel, rank=data.draw(st.integers(1, 3)))
    image = rng.uniform(-1, 1, rng.integers(1, 9, len(shape)))
    mode = data.draw(st.sampled_from(["reflect", "constant", "nearest", "mirror", "wrap"]))
    cval = data.draw(st.floats(-3, 3))
    exact = ndimage.correlate(image, kernel, mode=mode, cval=cval)
    result = ndimage.correlate(image, parts.dense(), mode=mode, cval=cval)
    largest = max(np.abs(image).max(), abs(cval))
    # A sum of n products, in any order, is off by at most n eps times the sum of their magnitudes.
    sums = kernel.size * EPS * (total(kernel) + total(parts.dense())) * largest
    assert np.abs(result - exact).max() <= parts.error * largest * (1 + 1e-12) + sums


@given(seed=SEEDS, shape=SHAPES.filter(lambda shape: len(shape) < 4))
def test_some_image_reaches_the_error(seed, shape):
    kernel = random(seed, shape)
    parts = factorize(kernel, rank=1)
    difference = kernel - parts.dense()
    worst = np.where(difference < 0, -1.0, 1.0)
    reached = float((worst * difference).sum())
    assert reached == pytest.approx(parts.error, rel=1e-12, abs=rounding(kernel))


@given(seed=SEEDS, shape=SHAPES.filter(lambda shape: len(shape) < 4), whole=st.booleans())
def test_lines_one_after_the_other_do_what_the_kernel_does(seed, shape, whole):
    rng = np.random.default_rng(seed)
    kernel = rng.integers(-3, 4, shape) / 7 if whole else rng.standard_normal(shape)
    parts = factorize(kernel)
    image = rng.uniform(-1, 1, (9,) * len(shape))
    result, bound = np.zeros_like(image), total(kernel)
    for term in parts.terms:
        filtered = image
        for axis, line in enumerate(term.folded()):
            filtered = ndimage.correlate1d(filtered, line, axis, mode="reflect")
        result += filtered
        bound += math.prod(map(total, term.folded()))
    expected = ndimage.correlate(image, kernel, mode="reflect")
    # Sums of products as above, in each pass and over the terms.
    sums = (kernel.size + sum(shape) + parts.rank) * EPS * bound
    assert np.abs(result - expected).max() <= parts.error + sums


# ---- symmetry


def parity(line):
    """1 for an even line, -1 for an odd one, to the last bit; both for zeros, which no line is."""
    return 1 if np.array_equal(line, line[::-1]) else -1 if np.array_equal(line, -line[::-1]) else 0


@given(seed=SEEDS, shape=SHAPES, signs=st.tuples(*[st.sampled_from([-1, 0, 1])] * 4), whole=st.booleans())
def test_taps_are_even_or_odd_where_the_kernel_is(seed, shape, signs, whole):
    kernel = np.random.default_rng(seed).integers(-3, 4, shape) if whole else random(seed, shape)
    for axis, sign in zip(range(len(shape)), signs, strict=False):
        if sign:
            kernel = kernel + sign * np.flip(kernel, axis)
    for rank in (None, 1, 2):
        for term in factorize(kernel, rank=rank).terms:
            for line, size, sign in zip(term.taps, shape, signs, strict=False):
                assert not sign or size == 1 or parity(line) == sign


@given(seed=SEEDS, shape=SHAPES, sign=st.sampled_from([-1, 1]), whole=st.booleans())
def test_kernels_with_a_centre_of_symmetry_have_even_and_odd_lines(seed, shape, sign, whole):
    kernel = np.random.default_rng(seed).integers(-3, 4, shape) if whole else random(seed, shape)
    kernel = kernel + sign * np.flip(kernel)
    for rank in (None, 1, 3):
        for term in factorize(kernel, rank=rank).terms:
            assert math.prod(map(parity, term.taps)) == sign


@pytest.mark.parametrize("phase", [np.cos, np.sin])
@pytest.mark.parametrize("rank", [None, 1, 4])
def test_gabor_and_rotated_kernels_have_even_and_odd_lines(phase, rank):
    for kernel in (ROTATED, ROTATED * phase(ALONG)):
        sign = parity(kernel.ravel())
        assert sign
        parts = factorize(kernel, rank=rank)
        assert {parity(term.taps[0]) * parity(term.taps[1]) for term in parts.terms} == {sign}
        # Parts of different parity are orthogonal, so that to split them adds no term and cuts no worse.
        values = np.linalg.svd(kernel, compute_uv=False)
        assert parts.full_rank == (values > 15 * EPS * values[0]).sum()
        assert norm(parts.dense() - kernel) <= norm(values[parts.rank :]) + rounding(kernel)


@pytest.mark.parametrize("axes", [(0, 1), (1, 2), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_joint_flip_of_some_axes_of_three_is_seen(rng, axes, sign):
    kernel = rng.standard_normal((5, 4, 6))
    full = factorize(kernel).rank
    kernel = kernel + sign * np.flip(kernel, axes)
    parts = factorize(kernel)
    assert parts.rank <= full
    assert parts.error <= rounding(kernel)
    for term in parts.terms:
        assert math.prod(parity(term.taps[axis]) for axis in axes) == sign


@given(seed=SEEDS, m=st.integers(1, 9), n=st.integers(1, 9), rank=st.integers(1, 3), sign=st.sampled_from([-1, 1]))
def test_splitting_by_parity_adds_no_terms(seed, m, n, rank, sign):
    rng = np.random.default_rng(seed)
    kernel = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    kernel = kernel + sign * np.flip(kernel)
    # Singular values of a random matrix of this size are far above what is taken for rounding.
    assert factorize(kernel).rank == np.linalg.matrix_rank(kernel)


def test_kernels_without_symmetry_are_not_split(rng):
    line, other = rng.standard_normal(7), rng.standard_normal(7)
    assert factorize(np.outer(line, other)).rank == 1
    nearly = ROTATED.copy()
    nearly[0, 0] *= 1 + EPS
    assert factorize(nearly, rank=3).rank == 3
    assert {parity(term.taps[0]) for term in factorize(nearly, rank=3).terms} == {0}


# ---- zeros


@pytest.mark.parametrize("shape", [(1,), (3, 3), (1, 4), (2, 3, 4), (1, 1, 1)])
def test_a_kernel_of_zeros_has_no_terms(shape):
    for options in ({}, {"rank": 1}, {"tol": 0.0}, {"tol": 5.0}):
        parts = factorize(-np.zeros(shape), **options)
        assert (parts.rank, parts.full_rank, parts.terms, parts.error, parts.exact) == (0, 0, (), 0.0, True)
        np.testing.assert_array_equal(parts.dense(), np.zeros(shape))
        assert (parts.multiplications, parts.dense_multiplications) == (0, 0)
    assert is_separable(np.zeros(shape))
    assert is_separable(np.zeros(shape), tol=0)


@given(seed=SEEDS, size=st.integers(1, 12), before=st.integers(0, 3), after=st.integers(0, 3))
def test_a_kernel_along_one_axis_is_its_own_line(seed, size, before, after):
    line = random(seed, size)
    for kernel in (line, line[None], line[:, None], line[None, :, None], np.pad(line[None], [(before, after), (0, 0)])):
        parts = factorize(kernel)
        assert (parts.rank, parts.error, parts.multiplications) == (1, 0.0, size)
        np.testing.assert_array_equal(parts.dense(), kernel)
        for taps in parts.terms[0].taps:
            assert np.array_equal(taps, line) or (np.count_nonzero(taps) == 1 and taps.max() == 1) or size == 1


def test_slices_of_zeros_have_zero_taps(rng):
    kernel = rng.standard_normal((7, 8))
    kernel[[0, 3, 6]] = 0
    kernel[:, [2, 7]] = 0
    parts = factorize(kernel)
    assert parts.rank == 4
    for term in parts.terms:
        assert not term.taps[0][[0, 3, 6]].any()
        assert not term.taps[1][[2, 7]].any()
    assert parts.multiplications == 4 * (4 + 6)
    assert parts.dense_multiplications == 24


# ---- is_separable


def gaussian(sigma, dtype):
    line = np.exp(-0.5 * (np.arange(-9, 10) / sigma) ** 2)
    return np.outer(line / line.sum(), line / line.sum()).astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
@pytest.mark.parametrize("sigma", [0.8, 2.0, 5.0])
def test_what_is_separable_but_for_rounding_is_separable(dtype, sigma):
    kernel = gaussian(sigma, dtype)
    assert is_separable(kernel)
    line = np.exp(-0.5 * (np.arange(-9, 10) / sigma) ** 2).astype(dtype)
    assert is_separable(np.multiply.outer(line, line) / (line.sum() ** 2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_off_by_more_than_rounding_is_not_separable(dtype):
    kernel = gaussian(2.0, dtype)
    kernel[9, 9] *= 1.001
    assert not is_separable(kernel)
    error = factorize(kernel, rank=1).error
    assert is_separable(kernel, tol=error)
    assert not is_separable(kernel, tol=error * (1 - 1e-9))
    # float64 knows what float32 cannot
    assert not is_separable(gaussian(2.0, "float32").astype("float64"))


def test_is_separable_answers_with_a_bool(rng):
    for kernel in (BINOMIAL, LAPLACE_4, rng.standard_normal((3, 4, 5)), [1.0, 2.0]):
        assert type(is_separable(kernel)) is bool
        assert type(is_separable(kernel, tol=0.1)) is bool
    assert is_separable(outer([rng.standard_normal(n) for n in (3, 4, 5)]))
    assert not is_separable(rng.standard_normal((3, 4, 5)))
    assert not is_separable(LAPLACE_3D)


# ---- what comes out


def test_a_scale_is_folded_into_a_line_that_has_taps():
    term = factorize(BINOMIAL / 256).terms[0]
    assert [line.tolist() for line in term.folded()] == [
        [1 / 256, 4 / 256, 6 / 256, 4 / 256, 1 / 256],
        [1, 4, 6, 4, 1],
    ]
    term = factorize(np.array([[0, 0, 0], [1, 2, 1], [0, 0, 0]]) / 3).terms[0]
    assert [line.tolist() for line in term.folded()] == [[0, 1, 0], [1 / 3, 2 / 3, 1 / 3]]
    assert term.multiplications == 3
    five = factorize([[0, 0], [5, 0]])
    assert [line.tolist() for line in five.terms[0].folded()] == [[0, 5], [1, 0]]
    assert five.multiplications == 1
    assert all(not line.flags.writeable for line in five.terms[0].folded())
    assert factorize([[0, 0], [1, 0]]).multiplications == 0


def test_it_prints_what_it_found():
    assert repr(factorize([[1, 0, -1], [2, 0, -2], [1, 0, -1]])) == (
        "kernel 3 x 3: rank 1 of 1, exact; 5 multiplications a pixel, dense 6 (1.20x)\n  (1, 2, 1) x (1, 0, -1)"
    )
    assert str(factorize(BINOMIAL / 256)).endswith("(2.50x)\n  1/256 * (1, 4, 6, 4, 1) x (1, 4, 6, 4, 1)")
    assert str(factorize(np.zeros((2, 3)))) == "kernel 2 x 3: rank 0 of 0, exact; 0 multiplications a pixel, dense 0"
    one = factorize(ROTATED, rank=1)
    head, line = str(one).split("\n")
    assert head.startswith(f"kernel 15 x 15: rank 1 of {one.full_rank}, error {one.error:.1e} x max |image|; ")
    assert head.endswith("; 30 multiplications a pixel, dense 225 (7.50x)")
    assert line.count("...") == 2
    assert str(factorize(np.ones((12, 1)))).endswith("(1, 1, 1, ..., 1, 1, 1) x (1,)")
    assert "  9.99e+08 * (1, 2, 1)" in str(factorize(np.array([1.0, 2.0, 1.0]) * 9.99e8))
    many = str(factorize(np.random.default_rng(0).standard_normal((30, 30)))).split("\n")
    assert len(many) == 10
    assert many[-1] == "  ... 22 more"
    assert repr(factorize([1, 2]).terms[0]) == "RankOne((1, 2))"


def test_the_kernel_is_read_in_any_layout_and_never_changed(rng):
    kernel = rng.standard_normal((5, 6))
    before = kernel.copy()
    kernel.flags.writeable = False
    expected = factorize(before).dense()
    layouts = (kernel, np.asfortranarray(kernel), kernel[::-1][::-1], kernel.astype(">f8"), kernel.tolist())
    for layout in layouts:
        np.testing.assert_array_equal(factorize(layout).dense(), expected)
    np.testing.assert_array_equal(kernel, before)


def test_results_can_be_sent_and_names_are_public():
    parts = pickle.loads(pickle.dumps(factorize(BINOMIAL / 256)))
    assert isinstance(parts, Factorization)
    assert isinstance(parts.terms[0], RankOne)
    np.testing.assert_array_equal(parts.dense(), BINOMIAL / 256)
    assert fastsep.factorize is factorize
    assert fastsep.is_separable is is_separable
    with pytest.raises(AttributeError):
        parts.error = 0.0


KERNEL = np.ones((3, 3))
BAD = {
    "a number": (lambda: factorize(3.0), ValueError, r"`kernel`.*at least one axis.*\(\)"),
    "empty": (lambda: factorize([]), ValueError, r"`kernel`.*one tap.*\(0,\)"),
    "an empty axis": (lambda: factorize(np.ones((3, 0))), ValueError, r"`kernel`.*\(3, 0\)"),
    "complex": (lambda: factorize(KERNEL * 1j), ValueError, r"`kernel`.*complex128.*\.real"),
    "objects": (lambda: factorize(KERNEL.astype(object)), ValueError, r"`kernel`.*object"),
    "text": (lambda: factorize("sobel"), ValueError, r"`kernel` must be an array; got 'sobel'"),
    "masked": (lambda: factorize(np.ma.masked_array(KERNEL)), ValueError, r"`kernel`.*masked"),
    "ragged": (lambda: factorize([[1, 2], [3]]), ValueError, r"`kernel`.*sequence"),
    "nan": (lambda: factorize(KERNEL * np.nan), ValueError, r"`kernel`.*NaN"),
    "infinity": (lambda: factorize(KERNEL * np.inf), ValueError, r"`kernel`.*infinity"),
    "rank zero": (lambda: factorize(KERNEL, rank=0), ValueError, r"`rank`.*at least 1.*0"),
    "half a rank": (lambda: factorize(KERNEL, rank=1.5), TypeError, r"`rank`.*1\.5"),
    "negative tol": (lambda: factorize(KERNEL, tol=-0.1), ValueError, r"`tol`.*-0\.1"),
    "nan tol": (lambda: factorize(KERNEL, tol=math.nan), ValueError, r"`tol`.*nan"),
    "infinite tol": (lambda: factorize(KERNEL, tol=math.inf), ValueError, r"`tol`.*inf"),
    "text for tol": (lambda: factorize(KERNEL, tol="1"), TypeError, r"`tol`.*'1'"),
    "rank and tol": (lambda: factorize(KERNEL, rank=2, tol=0.1), ValueError, r"`rank` or `tol`.*2 and 0\.1"),
    "separable: complex": (lambda: is_separable(KERNEL * 1j), ValueError, r"`kernel`.*complex128"),
    "separable: a number": (lambda: is_separable(3.0), ValueError, r"`kernel`.*at least one axis"),
    "separable: nan": (lambda: is_separable(KERNEL * np.nan), ValueError, r"`kernel`.*NaN"),
    "separable: tol": (lambda: is_separable(KERNEL, tol=-1), ValueError, r"`tol`.*-1"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_arguments_get_one_line(call, error, message):
    assert_refused(call, error, message)


# ---- what is found out at little cost


@pytest.mark.parametrize("seed", range(5))
def test_a_kernel_that_takes_more_terms_for_certain_does(seed):
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(60):
        shape = (
            tuple(rng.integers(1, 24, rng.integers(1, 4))) if rng.random() < 0.5 else (int(rng.integers(2, 40)),) * 2
        )
        rank = int(rng.integers(1, 12))
        kernel = sum(
            reduce(np.multiply.outer, [rng.standard_normal(n) for n in shape]) * 10.0 ** -rng.integers(6)
            for _ in range(rank)
        )
        kernel = kernel * rng.choice([1e-300, 1e-9, 1.0, 1e200])
        if rng.random() < 0.3:
            kernel = kernel + np.flip(kernel)
        if rng.random() < 0.2:
            kernel = rng.integers(-1, 2, shape)
        terms, tol = int(rng.integers(1, 12)), float(rng.choice([0.0, 1e-12, 1e-3])) * float(np.abs(kernel).sum())
        if factor.takes_more_than(kernel, terms, tol):
            found += 1
            assert factorize(kernel, rank=terms).error > tol
            assert factorize(kernel, tol=tol or None).rank > terms
    assert found >= 10, "too few kernels were seen through to show anything"


def test_repeated_rows_do_not_hide_that_a_kernel_takes_more_terms(rng):
    """Nor rows and columns that are zero."""
    y, x = np.mgrid[-31:32, -31:32]
    for kernel, rank in (
        ((x * x + y * y <= 31 * 31).astype(float), 20), ((abs(x) + abs(y) <= 31).astype(float), 32),
        (np.kron(rng.integers(1, 100, (9, 9)), np.ones((7, 7))), 9),
        (np.diag(np.arange(63) % 2) * 1.0, 31), (rng.integers(0, 2, (63, 63)) * 1.0, 60),
    ):  # fmt: skip
        for terms in (1, 5, rank - 1):
            assert factor.takes_more_than(kernel, terms, 0.0)
        if rank < 60:
            assert not factor.takes_more_than(kernel, rank, 0.0)


def test_few_terms_of_a_large_kernel_are_those_of_all_singular_vectors(rng, monkeypatch):
    for rank in (1, 2, 5, 8, 9):
        for shape in ((24, 90), (64, 64), (127, 41)):
            kernel = sum(np.outer(rng.standard_normal(shape[0]), rng.standard_normal(shape[1])) for _ in range(rank))
            quick = factorize(kernel)
            monkeypatch.setattr(factor, "_LARGE", 1000)
            whole = factorize(kernel)
            monkeypatch.undo()
            assert quick.rank == whole.rank == rank
            for one, other in zip(quick.terms, whole.terms, strict=True):
                difference = np.multiply.outer(*one.taps) - np.multiply.outer(*other.taps)
                assert np.abs(difference).max() <= 1e-11 * np.abs(kernel).max()

"""Banks of kernels from common terms: errors that hold, tolerances kept, few terms, exact symmetry."""

import numpy as np
import pytest
from helpers import assert_refused
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from fastsep.factor_bank import factorize_bank

EPS = np.finfo(np.float64).eps


@st.composite
def banks(draw):
    """Unrelated kernels, symmetric or not, some of them repeated, scaled or zero, or mixtures of two."""
    shape = draw(st.tuples(*[st.integers(1, 6)] * 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kernels = rng.standard_normal(shape)
    kind = draw(st.sampled_from(["any", "even", "odd", "mirrored", "repeated", "mixed"]))
    if kind == "even":
        kernels = kernels + kernels[:, ::-1, ::-1]
    elif kind == "odd":
        kernels = kernels - kernels[:, ::-1, ::-1]
    elif kind == "mirrored":
        kernels = kernels + kernels[:, ::-1]
    elif kind == "repeated":
        kernels = kernels[rng.integers(0, len(kernels), len(kernels))]
        kernels = kernels * rng.choice([1.0, -1.0, 1e-6, 0.0], len(kernels))[:, None, None]
    elif kind == "mixed":
        kernels = np.tensordot(rng.standard_normal((shape[0], 2)), rng.standard_normal((2, *shape[1:])), 1)
    return kernels


def gabors(gamma, *, phase=0.0, zero_mean=False):
    """8 orientations x 3 scales, 31 x 31, each of absolute sum 1."""
    y, x = np.mgrid[-15:16, -15:16].astype(np.float64)
    bank = []
    for sigma in (2.0, 3.5, 6.0):
        for angle in np.arange(8) * np.pi / 8:
            along = x * np.cos(angle) + y * np.sin(angle)
            across = y * np.cos(angle) - x * np.sin(angle)
            kernel = np.exp(-(along**2 + gamma**2 * across**2) / (2 * sigma**2))
            kernel *= np.cos(np.pi * along / sigma + phase)
            kernel -= kernel.mean() if zero_mean else 0.0
            bank.append(kernel / np.abs(kernel).sum())
    return np.array(bank)


def sizes(kernels):
    return np.abs(kernels).sum(axis=(1, 2))


def rounding(kernels):
    """Backward error of the decompositions and sums of as many products as there are terms, of at most 16 times the
    kernel: what the module promises as exact."""
    return 16 * EPS * sum(kernels.shape[1:]) * sizes(kernels)


def by_hand(parts):
    """The sum that defines the terms, kernel by kernel."""
    return np.array(
        [
            sum(weight * np.outer(y, x) for weight, y, x in zip(column, parts.y_taps, parts.x_taps, strict=True))
            for column in parts.mix.T
        ]
    )


def own_ranks(kernels, limits):
    """Terms that every kernel takes by itself: singular values until the rest is within its limit."""
    ranks = []
    for kernel, limit in zip(kernels, limits, strict=True):
        left, values, right = np.linalg.svd(kernel)
        count = len(values)
        rests = [np.abs(kernel - (left[:, :r] * values[:r]) @ right[:r]).sum() for r in range(count + 1)]
        ranks.append(next((r for r, rest in enumerate(rests) if rest <= limit), count))
    return ranks


@given(kernels=banks())
def test_without_rank_and_tol_it_is_exact_to_rounding(kernels):
    parts = factorize_bank(kernels)
    n, kh, kw = kernels.shape
    assert parts.y_taps.shape == (parts.rank, kh)
    assert parts.x_taps.shape == (parts.rank, kw)
    assert parts.mix.shape == (parts.rank, n)
    assert (sizes(parts.dense() - kernels) <= 2 * rounding(kernels)).all()  # once more for the sum itself
    np.testing.assert_allclose(parts.dense(), by_hand(parts), rtol=0, atol=rounding(kernels).max())
    assert parts.relative_error <= 16 * EPS * (kh + kw) * np.sqrt(kh * kw)  # of the L1 norm against the other
    assert 1 <= parts.rank <= max(1, sum(own_ranks(kernels, rounding(kernels))))


@given(kernels=banks(), part=st.sampled_from([1e-6, 1e-3, 0.03, 0.3, 2.0]))
def test_tol_holds_for_every_kernel_and_never_takes_more_than_one_by_one(kernels, part):
    tol = part * sizes(kernels).max()
    parts = factorize_bank(kernels, tol=tol)
    limits = np.maximum(tol, rounding(kernels))
    assert (parts.errors <= limits * (1 + 1e-9)).all()  # it was compared before it was scaled back
    np.testing.assert_allclose(parts.errors, sizes(by_hand(parts) - kernels), rtol=1e-9, atol=rounding(kernels).max())
    assert parts.error == parts.errors.max()
    assert parts.rank <= max(1, sum(own_ranks(kernels, limits)))


@given(kernels=banks(), rank=st.integers(1, 8))
def test_rank_bounds_the_terms_and_the_errors_are_told(kernels, rank):
    parts = factorize_bank(kernels, rank=rank)
    assert 1 <= parts.rank <= rank
    np.testing.assert_allclose(parts.errors, sizes(by_hand(parts) - kernels), rtol=1e-9, atol=rounding(kernels).max())
    difference = np.linalg.norm(by_hand(parts) - kernels)
    assert parts.relative_error == pytest.approx(difference / (np.linalg.norm(kernels) or 1.0), rel=1e-9, abs=1e-12)
    assert parts.relative_error <= 1 + 1e-9  # no terms at all would be that far off


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_one_kernel_is_cut_after_its_singular_values(rng, rank):
    kernel = rng.standard_normal((7, 9))
    values = np.linalg.svd(kernel, compute_uv=False)
    parts = factorize_bank(kernel[None], rank=rank)
    expected = np.linalg.norm(values[rank:]) / np.linalg.norm(values)  # Eckart and Young: no sum is nearer
    assert parts.rank == rank
    assert parts.relative_error == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("tol", [None, 1e-3, 0.03])
@pytest.mark.parametrize("phase", [0.0, np.pi / 2])
def test_the_errors_bound_every_result(rng, phase, tol):
    kernels = gabors(0.5, phase=phase)[::5]
    parts = factorize_bank(kernels, tol=tol)
    image = rng.uniform(-1, 1, (40, 37))
    basis = [
        ndimage.correlate1d(ndimage.correlate1d(image, y, axis=0, mode="reflect"), x, axis=1, mode="reflect")
        for y, x in zip(parts.y_taps, parts.x_taps, strict=True)
    ]
    results = np.tensordot(parts.mix.T, np.array(basis), 1)
    # A sum of n products is off by at most n rounding errors of their absolute sum, which is 1 for the kernels and at
    # most `growth` for the terms.
    slack = EPS * (kernels[0].size + (sum(kernels.shape[1:]) + parts.rank) * parts.growth)
    for kernel, result, error in zip(kernels, results, parts.errors, strict=True):
        difference = np.abs(result - ndimage.correlate(image, kernel, mode="reflect")).max()
        assert difference <= error * np.abs(image).max() + slack


def test_some_image_reaches_the_error():
    kernels = gabors(0.5)
    parts = factorize_bank(kernels, tol=0.01)
    worst = int(parts.errors.argmax())
    difference = parts.dense()[worst] - kernels[worst]
    image = np.where(difference < 0, -1.0, 1.0)  # as large as the kernel
    reached = abs((image * difference).sum())
    assert reached == pytest.approx(parts.error, rel=1e-9)
    assert 0.005 < parts.error <= 0.01  # not far below what was allowed, either


@pytest.mark.parametrize("tol", [None, 1e-12, 1e-3])
def test_round_gabor_filters_take_one_term_each(tol):
    """Those at angles t and pi - t are the sum and the difference of the same two products."""
    kernels = gabors(1.0)
    parts = factorize_bank(kernels, tol=tol)
    assert parts.rank <= 24  # and no fewer: they are linearly independent
    assert parts.multiplications < kernels.size / 15
    assert parts.growth < 2


def test_round_gabor_filters_of_zero_mean_share_one_more_term():
    assert factorize_bank(gabors(1.0, zero_mean=True), tol=1e-3).rank <= 25


def test_long_gabor_filters_take_far_fewer_terms_than_one_by_one():
    kernels = gabors(0.5)
    parts = factorize_bank(kernels, tol=1e-3)
    one_by_one = sum(own_ranks(kernels, np.full(24, 1e-3)))
    assert parts.separate_multiplications == 62 * one_by_one
    assert parts.rank < 0.45 * one_by_one  # 71 of 186 when this was written
    assert parts.multiplications < 0.5 * parts.separate_multiplications
    assert parts.growth <= 16


def test_planted_terms_are_found(rng):
    y, x = rng.standard_normal((6, 9)), rng.standard_normal((6, 11))
    for n in (4, 20):
        mix = rng.standard_normal((6, n))
        parts = factorize_bank(np.einsum("rn,ry,rx->nyx", mix, y, x))
        assert parts.rank == 6
        cosines = np.abs(parts.y_taps @ y.T) / np.outer(np.linalg.norm(parts.y_taps, axis=1), np.linalg.norm(y, axis=1))
        # Such a decomposition is unique. What is exact to 1e-13 moves the terms by that times the condition, below 1e4.
        np.testing.assert_allclose(np.sort(cosines.max(axis=1)), 1.0, atol=1e-9)


def test_unrelated_kernels_share_terms_too(rng):
    """As many free values as the bank has: 8 * 7 * 7 / (8 + 7 + 7 - 2) = 19.6 terms."""
    kernels = rng.standard_normal((8, 7, 7))
    parts = factorize_bank(kernels)
    assert 20 <= parts.rank <= 24  # 56 one by one, 49 from unit vectors
    assert parts.growth <= 16


def test_as_many_kernels_as_values_take_unit_vectors(rng):
    parts = factorize_bank(rng.standard_normal((64, 5, 5)))
    assert parts.rank == 25
    assert np.count_nonzero(parts.y_taps) == np.count_nonzero(parts.x_taps) == 25


@pytest.mark.parametrize("down", [1, -1])
@pytest.mark.parametrize("across", [1, -1])
@pytest.mark.parametrize("shape", [(5, 7), (4, 6), (5, 6)])
def test_symmetric_kernels_get_exactly_even_or_odd_taps(rng, shape, down, across):
    kernels = rng.standard_normal((4, *shape))
    kernels = kernels + down * kernels[:, ::-1]
    kernels = kernels + across * kernels[:, :, ::-1]
    for options in ({}, {"tol": 0.5}, {"rank": 2}):
        parts = factorize_bank(kernels, **options)
        assert parts.y_taps.any()
        np.testing.assert_array_equal(parts.y_taps, down * parts.y_taps[:, ::-1])
        np.testing.assert_array_equal(parts.x_taps, across * parts.x_taps[:, ::-1])


@pytest.mark.parametrize("options", [{}, {"tol": 0.1}, {"rank": 9}])
@pytest.mark.parametrize("sign", [1, -1])
def test_kernels_symmetric_about_their_middle_get_exactly_even_or_odd_taps(rng, sign, options):
    kernels = rng.standard_normal((4, 7, 7))
    parts = factorize_bank(kernels + sign * kernels[:, ::-1, ::-1], **options)
    for y, x in zip(parts.y_taps, parts.x_taps, strict=True):
        own = 1 if y[0] == y[-1] else -1
        np.testing.assert_array_equal(y, own * y[::-1])
        np.testing.assert_array_equal(x, sign * own * x[::-1])


def test_sine_and_cosine_kernels_split_into_four_parities():
    kernels = np.concatenate([gabors(1.0), gabors(1.0, phase=np.pi / 2)])
    parts = factorize_bank(kernels)
    assert parts.rank == 48
    for taps in (parts.y_taps, parts.x_taps):
        even = (taps == taps[:, ::-1]).all(axis=1)
        odd = (taps == -taps[:, ::-1]).all(axis=1)
        assert (even ^ odd).all()


def test_repeated_and_mixed_kernels_cost_no_terms(rng):
    kernels = rng.standard_normal((3, 5, 6))
    alone = factorize_bank(kernels, tol=1e-9)
    more = np.concatenate([kernels, -kernels, 3 * kernels[::-1], [kernels[0] + kernels[1], np.zeros((5, 6))]])
    parts = factorize_bank(more, tol=1e-9)
    assert parts.rank == alone.rank
    assert not parts.mix[:, -1].any()
    assert parts.errors[-1] == 0.0


def test_the_order_of_the_kernels_does_not_decide(rng):
    kernels = gabors(0.5)[:8]
    ranks = {factorize_bank(kernels[order], tol=1e-3).rank for order in (np.arange(8), rng.permutation(8))}
    assert max(ranks) - min(ranks) <= 2  # the search takes another path, to about the same place


@pytest.mark.parametrize("options", [{}, {"tol": 1e-3}, {"rank": 12}])
def test_the_same_in_every_call(options):
    kernels = gabors(0.5)[::2]
    one, other = factorize_bank(kernels, **options), factorize_bank(kernels.copy(), **options)
    for name in ("y_taps", "x_taps", "mix", "errors"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@given(kernels=banks())
def test_taps_have_sum_one_and_growth_is_what_it_says(kernels):
    parts = factorize_bank(kernels)
    if not kernels.any():
        return
    np.testing.assert_allclose(np.abs(parts.y_taps).sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(np.abs(parts.x_taps).sum(axis=1), 1.0, rtol=1e-14)
    assert (parts.y_taps.max(axis=1) >= -parts.y_taps.min(axis=1)).all()
    held = kernels.any(axis=(1, 2))
    ratios = np.abs(parts.mix).sum(axis=0)[held] / sizes(kernels)[held]
    assert parts.growth == pytest.approx(ratios.max(), rel=1e-12)
    assert parts.growth <= 16


def test_what_it_costs_is_counted(rng):
    kernels = np.stack([np.outer([1, 2, 1], [1, 0, -1]), np.outer([1, 0, -1], [1, 2, 1]), np.zeros((3, 3))])
    parts = factorize_bank(kernels)
    assert parts.rank == 2
    assert parts.multiplications == 5 + 5 + 2  # taps of two Sobel kernels, and one weight for each
    assert parts.dense_multiplications == 12
    assert parts.separate_multiplications == 12
    assert parts.growth == pytest.approx(1.0)


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e160, 1e300])
def test_kernels_of_any_size(rng, size):
    kernels = rng.uniform(-1, 1, (4, 5, 5))
    for options in ({}, {"tol": 1.0}, {"rank": 6}):
        small = factorize_bank(kernels, **options)
        parts = factorize_bank(kernels * size, **{k: v * size if k == "tol" else v for k, v in options.items()})
        # A power of ten rounds the kernels, after which the search may take another path.
        assert abs(parts.rank - small.rank) <= 1
        assert np.isfinite(parts.mix).all()
        assert np.isfinite(parts.errors).all()
    assert (factorize_bank(kernels * size).errors <= rounding(kernels) * size).all()


def test_kernels_of_very_different_size_are_each_exact(rng):
    kernels = rng.standard_normal((5, 5, 5)) * np.array([1e-12, 1e-6, 1.0, 1e6, 1e12])[:, None, None]
    parts = factorize_bank(kernels)
    assert (parts.errors <= rounding(kernels)).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 1), (4, 1, 9), (4, 9, 1), (1, 5, 3), (5, 2, 2)])
def test_narrow_banks(rng, shape):
    kernels = rng.standard_normal(shape)
    parts = factorize_bank(kernels)
    assert (parts.errors <= rounding(kernels)).all()
    assert parts.rank <= min(shape[0] * min(shape[1:]), shape[1] * shape[2])
    assert factorize_bank(kernels, rank=1).rank == 1


@pytest.mark.parametrize("options", [{}, {"tol": 0.0}, {"tol": 1.0}, {"rank": 3}])
def test_kernels_of_zeros(options):
    parts = factorize_bank(np.zeros((3, 4, 5)), **options)
    assert (parts.rank, parts.error, parts.relative_error, parts.growth) == (1, 0.0, 0.0, 0.0)
    assert parts.multiplications == parts.dense_multiplications == parts.separate_multiplications == 0
    assert parts.dense().shape == (3, 4, 5)
    assert not parts.dense().any()


def test_all_within_tol_of_nothing_take_nothing(rng):
    kernels = rng.uniform(-1, 1, (3, 4, 5))
    parts = factorize_bank(kernels, tol=20.0)
    assert parts.multiplications == 0
    np.testing.assert_allclose(parts.errors, sizes(kernels), rtol=1e-14)


def test_the_kernels_are_read_in_any_layout_and_never_changed(rng):
    kernels = rng.integers(-9, 10, (5, 4, 3))
    before = kernels.copy()
    kernels.flags.writeable = False
    expected = factorize_bank(before.astype(np.float64))
    for same in (kernels, kernels.astype(">f4"), np.asfortranarray(kernels), kernels.tolist()):
        np.testing.assert_array_equal(factorize_bank(same).mix, expected.mix)
    np.testing.assert_array_equal(kernels, before)
    for values in (expected.y_taps, expected.x_taps, expected.mix, expected.errors):
        assert values.dtype == np.float64
        assert values.flags.c_contiguous
        assert not values.flags.writeable


def test_it_prints_one_line():
    kernels = np.stack([np.outer([1, 2, 1], [1, 0, -1]), np.outer([1, 0, -1], [1, 2, 1])])
    parts = factorize_bank(kernels, rank=2)
    assert str(parts).startswith("bank of 2 kernels 3 x 3: 2 terms, error ")
    assert str(parts).endswith("; 12 multiplications a pixel, dense 12, one by one 12")
    assert "array" not in repr(parts)
    assert str(factorize_bank(kernels[:1])).startswith("bank of 1 kernel 3 x 3: 1 term, error ")


BANK = np.ones((2, 3, 3))
BAD = {
    "one kernel": (lambda: factorize_bank(np.ones((3, 3))), ValueError, r"`kernels`.*\(n, kh, kw\).*\(3, 3\)"),
    "no kernels": (lambda: factorize_bank(np.ones((0, 3, 3))), ValueError, r"`kernels`.*\(0, 3, 3\)"),
    "no columns": (lambda: factorize_bank(np.ones((2, 3, 0))), ValueError, r"`kernels`.*\(2, 3, 0\)"),
    "complex": (lambda: factorize_bank(BANK * 1j), ValueError, r"`kernels`.*complex128"),
    "objects": (lambda: factorize_bank(BANK.astype(object)), ValueError, r"`kernels`.*object"),
    "masked": (lambda: factorize_bank(np.ma.masked_array(BANK)), ValueError, r"`kernels`.*masked"),
    "ragged": (lambda: factorize_bank([[[1, 2], [3]]]), ValueError, r"`kernels`.*sequence"),
    "nan": (lambda: factorize_bank(BANK * np.nan), ValueError, r"`kernels`.*NaN"),
    "infinity": (lambda: factorize_bank(BANK * np.inf), ValueError, r"`kernels`.*infinity"),
    "rank zero": (lambda: factorize_bank(BANK, rank=0), ValueError, r"`rank`.*1.*0"),
    "half a rank": (lambda: factorize_bank(BANK, rank=1.5), TypeError, r"`rank`.*1\.5"),
    "negative tol": (lambda: factorize_bank(BANK, tol=-0.1), ValueError, r"`tol`.*-0\.1"),
    "nan tol": (lambda: factorize_bank(BANK, tol=float("nan")), ValueError, r"`tol`.*nan"),
    "text for tol": (lambda: factorize_bank(BANK, tol="1"), TypeError, r"`tol`.*'1'"),
    "rank and tol": (lambda: factorize_bank(BANK, rank=2, tol=0.1), ValueError, r"`rank` or `tol`.*2 and 0\.1"),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_arguments_get_one_line(call, error, message):
    assert_refused(call, error, message)


@pytest.mark.parametrize("scale", [1e-100, 1e-160, 1e-200, 1e-300, 1e-310])
def test_kernels_next_to_nothing_beside_others(scale, rng):
    """Their squares are zero."""
    for bank in (rng.standard_normal((3, 5, 5)), np.stack([np.outer(a, a) for a in rng.random((4, 7))])):
        kernels = bank.copy()
        kernels[1] *= scale
        parts = factorize_bank(kernels)
        errors = np.abs(parts.dense() - kernels).sum(axis=(1, 2))
        assert (errors <= 1e-12 * np.abs(kernels).sum(axis=(1, 2)) + 200 * 5e-324).all()
        assert factorize_bank(kernels, rank=2).rank <= 2
        for tol in (1e-3, 1e-2 * scale):
            assert (factorize_bank(kernels, tol=tol).errors <= max(tol, 1e-12)).all()

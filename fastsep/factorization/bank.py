"""A bank of 2-D kernels as combinations of few separable ones. NumPy only, no pixels.

Symmetric kernels are split into even and odd parts; of parts that repeat or combine some represent all; these are put
into groups that gain from a common basis (`_grouping`), and every group gets the fewest terms that are found
(`_cp`). All of them are then mixed by least squares, and must hold for the kernels as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from fastsep._validation import filter_kernels, scalars
from fastsep._validation.array_like import Array
from fastsep.factorization import _cp, _grouping
from fastsep.factorization._cp import EPS, MOST_GROWTH, Basis, Fit, Work
from fastsep.factorization._grouping import Group, Parity

__all__ = ["BankFactorization", "factorize_bank"]


def __dir__() -> list[str]:
    return __all__


_Factors = tuple[Array, Array, Array]  # y (r, kh), x (r, kw), mix (r, n)

_TINY = float(np.finfo(np.float64).tiny)
_LEAST_EXPONENT = -1074
# Kernels smaller than the largest by this power of two are next to nothing, but their squares are numbers yet.
_NEXT_TO_NOTHING = 400

# Operations that the search for common terms may take, all groups together. Up to 2 s on one core of a Zen 4.
_WORK = 2.5e10
_ROUNDS = 8  # of narrower limits where parts together miss theirs


@dataclass(frozen=True, slots=True, eq=False)
class BankFactorization:
    """Kernels as combinations of common rank-1 terms; printed, what they cost and how far they are off.

    kernels[i] = sum over r of mix[r, i] * outer(y_taps[r], x_taps[r])

    Attributes
    ----------
    y_taps : (rank, kh) ndarray, float64
    x_taps : (rank, kw) ndarray, float64
        Of every term, along the columns and the rows; their absolute values sum to 1. Where the kernels are symmetric
        or antisymmetric about their middle, every line of taps is exactly even or odd.
    mix : (rank, n) ndarray, float64
    rank : int
        Number of terms, at least 1.
    errors : (n,) ndarray, float64
        Of every kernel the sum of absolute differences: no value of its result is off by more than this times the
        largest absolute value in the padded image (rounding of the correlation apart), and some image reaches it.
    relative_error : float
        Frobenius norm of all differences over that of all kernels.
    growth : float
        The largest ratio, over the kernels, of the sum of absolute values of all terms to that of the kernel: by so
        much rounding counts more than in a dense correlation.
    dense_multiplications : int
        For a pixel of all n results by the kernels themselves: their values other than 0.
    separate_multiplications : int
        The same if every kernel is cut after its own singular values, within the same error.
    """

    y_taps: Array = field(repr=False)
    x_taps: Array = field(repr=False)
    mix: Array = field(repr=False)
    errors: Array = field(repr=False)
    relative_error: float
    growth: float
    dense_multiplications: int
    separate_multiplications: int

    @property
    def rank(self) -> int:
        """Number of terms."""
        return int(self.mix.shape[0])

    @property
    def error(self) -> float:
        """The largest of `errors`."""
        return float(self.errors.max())

    @property
    def multiplications(self) -> int:
        """For a pixel of all n results: taps other than 0 of the terms, and entries other than 0 of `mix`."""
        return sum(int(np.count_nonzero(factor)) for factor in (self.y_taps, self.x_taps, self.mix))

    @np.errstate(all="ignore")
    def dense(self) -> Array:
        """The kernels (n, kh, kw) that the terms amount to."""
        return _rebuilt(self.y_taps, self.x_taps, self.mix)

    def __str__(self) -> str:
        count, kh, kw = self.mix.shape[1], self.y_taps.shape[1], self.x_taps.shape[1]
        return (
            f"bank of {count} kernel{'s' * (count != 1)} {kh} x {kw}:"
            f" {self.rank} term{'s' * (self.rank != 1)}, error {self.error:.1e};"
            f" {self.multiplications:,} multiplications a pixel, dense {self.dense_multiplications:,},"
            f" one by one {self.separate_multiplications:,}"
        )


@np.errstate(all="ignore")
def factorize_bank(kernels: npt.ArrayLike, *, rank: int | None = None, tol: float | None = None) -> BankFactorization:
    """Write a bank of kernels as combinations of few separable kernels that they share.

    kernels[i] = sum over r of mix[r, i] * outer(y_taps[r], x_taps[r])

    The terms are correlated with an image once for all kernels, each with kh + kw multiplications, and mixed. It pays
    for kernels of one family: the orientations and scales of a Gabor filter, derivatives of Gaussians, learned filters
    that are smooth. A bank of n unrelated kernels takes n min(kh, kw) terms, or kh kw, whichever is less.

    The fewest terms cannot be found for certain in reasonable time (the problem is NP-hard). What comes back is never
    more than every kernel's own singular values take, is within `tol`, and is the same in every call.

    Parameters
    ----------
    kernels : (n, kh, kw) array_like
        Real and finite.
    rank : int, optional
        At most so many terms, chosen for a small sum of squared differences; `growth` is then not bounded.
    tol : float, optional
        Instead of `rank`: as few terms as are found with every one of `errors` at most this, rounding apart. It is
        absolute: for results within 1e-3 of an image with values in [-1, 1] it is 1e-3 whatever the kernels are.
        Default: neither, which is exact to rounding.

    Returns
    -------
    BankFactorization
        With `y_taps`, `x_taps`, `mix`, `rank`, `errors`, `error`, `relative_error`, `growth`, `multiplications`,
        `dense_multiplications`, `separate_multiplications` and `dense()`.

    Raises
    ------
    ValueError
        For kernels that have not three dimensions, are empty, complex or not finite; a rank below 1; a negative `tol`;
        `rank` and `tol` together.
    TypeError
        For a rank that is not an integer, a `tol` that is not a number.

    References
    ----------
    Rigamonti et al., "Learning separable filters" (2013); Sironi et al. (2015), the same with tensors; Kolda and Bader,
    "Tensor decompositions and applications" (2009).

    Examples
    --------
    >>> import numpy as np
    >>> from fastsep import factorize_bank
    >>> y, x = np.mgrid[-7:8, -7:8]
    >>> angles = np.arange(8) * np.pi / 8
    >>> waves = [np.cos(x * np.cos(a) + y * np.sin(a)) * np.exp(-(x**2 + y**2) / 9) for a in angles]
    >>> parts = factorize_bank(waves)  # of rank 2, but for two of them
    >>> parts.rank, parts.separate_multiplications, parts.dense_multiplications
    (8, 420, 1800)
    """
    stack = filter_kernels.kernel_stack(kernels)
    terms, tolerance = scalars.rank_or_tol(rank, tol)
    bound = tolerance or 0.0
    units = _units(stack)
    scaled = stack / units[:, None, None]
    sizes = np.maximum(np.abs(scaled).sum(axis=(1, 2)), _TINY)  # of a kernel of zeros too something to divide by
    rounding = _rounding(scaled, sizes)
    with np.errstate(over="ignore"):
        limits = np.maximum(np.maximum(bound / units, rounding), _TINY)
    if terms is None:
        y, x, mix = _within(scaled, sizes, limits, Work(_WORK))
    else:
        y, x, mix = _of_rank(scaled, sizes, rounding, terms)
    y, x, mix = _normalised(y, x, mix)

    difference = _rebuilt(y, x, mix) - scaled
    errors = np.abs(difference).sum(axis=(1, 2))
    if terms is not None:
        limits = np.maximum((errors * units).max() / units, rounding)
    separate = sum(stack.shape[1:]) * sum(map(_own_rank, scaled, limits))
    growth = np.abs(mix).sum(axis=0) / sizes
    mix, errors = mix * units, errors * units
    for values in (y, x, mix, errors):
        values.flags.writeable = False
    return BankFactorization(
        y,
        x,
        mix,
        errors,
        float(np.linalg.norm(difference) / (np.linalg.norm(scaled) or 1.0)),
        float(growth.max()),
        int(np.count_nonzero(stack)),
        separate,
    )


def _units(stack: Array) -> Array:
    """What to divide each kernel by, so that its squares are finite and above zero: powers of two, which cost no bit.

    That is the size of the largest kernel for all of them, but for those that are next to nothing beside it.
    """
    exponents = np.frexp(np.abs(stack).max(axis=(1, 2)))[1] - 1
    exponents[~stack.any(axis=(1, 2))] = _LEAST_EXPONENT
    largest = exponents.max()
    return np.asarray(np.ldexp(1.0, largest + np.minimum(exponents - largest + _NEXT_TO_NOTHING, 0)))


def _rounding(stack: Array, sizes: Array) -> Array:
    """What counts as exact: backward errors of decompositions, and sums of as many products as there are terms."""
    return 16 * EPS * sum(stack.shape[1:]) * sizes


def _rebuilt(y: Array, x: Array, mix: Array) -> Array:
    terms = y[:, :, None] * x[:, None, :]
    return np.tensordot(mix, terms, axes=(0, 0))


def _normalised(y: Array, x: Array, mix: Array) -> tuple[Array, Array, Array]:
    """Taps of absolute sum 1, the largest positive; at least one term."""
    kept = y.any(axis=1) & x.any(axis=1) & mix.any(axis=1)
    y, x, mix = y[kept], x[kept], mix[kept]
    if not len(y):
        return np.zeros((1, y.shape[1])), np.zeros((1, x.shape[1])), np.zeros((1, mix.shape[1]))
    lines = []
    for taps in (y, x):
        largest = np.take_along_axis(taps, np.abs(taps).argmax(axis=1)[:, None], axis=1)
        size = np.where(largest < 0, -1.0, 1.0) * np.abs(taps).sum(axis=1)[:, None]
        lines.append(taps / size + 0.0)  # no -0.0
        mix = mix * size
    return lines[0], lines[1], mix


def _own_rank(kernel: Array, limit: float) -> int:
    """Singular values that leave at most `limit` in the L1 norm."""
    return int(_cp.cut(kernel, np.ones_like(kernel), limit)[0].shape[1])


def _within(stack: Array, sizes: Array, limits: Array, work: Work) -> _Factors:
    """As few terms as are found for errors of at most `limits`."""
    rounding = _rounding(stack, sizes)
    parities = _grouping.parities(stack, rounding)
    wanted = sizes > limits
    held = [wanted & parity.parts.any(axis=(1, 2)) for parity in parities]
    # Errors of several parities that a pixel does not tell apart add up like noise: their whole sum would be kept to
    # for certain, but with it the long Gabor filters of the benchmark take 5 % more terms.
    share = 1 / np.sqrt(np.maximum(sum(map(np.asarray, held), np.zeros(len(stack))), 1.0))
    exact = bool((limits <= rounding).all())
    groups: list[Group] = []
    for parity, kept in zip(parities, held, strict=True):
        groups += _grouping.groups(parity, kept, limits * share, sizes, exact)
    solved = _grouping.joined([(group, group.solved(work)) for group in groups], work)
    own = _one_by_one(stack, limits, parities)
    for _ in range(_ROUNDS):
        factors = _mixed(stack, [(group.parity, group.served, basis) for group, basis in solved])
        if len(factors[0]) >= len(own[0]):
            break
        errors = np.abs(_rebuilt(*factors) - stack).sum(axis=(1, 2))
        growth = (np.abs(factors[0]).sum(axis=1) * np.abs(factors[1]).sum(axis=1)) @ np.abs(factors[2])
        missed = (errors > limits) | (growth > MOST_GROWTH * sizes)
        if not missed.any():
            return factors
        for place, (group, _) in enumerate(solved):
            if (missed & group.served).any():
                narrower = group.narrowed(0.7)
                solved[place] = narrower, narrower.solved(work)
    return own


def _one_by_one(stack: Array, limits: Array, parities: list[Parity]) -> _Factors:
    """Every kernel's own singular vectors, which holds for whatever defeats a common basis.

    Those of its parts, the largest first: they are those of the kernel, and where two singular values are equal still
    even or odd.
    """
    terms: list[tuple[Array, Array, Array]] = []
    for index, (kernel, limit) in enumerate(zip(stack, limits, strict=True)):
        found = []
        for parity in parities:
            left, values, right = np.linalg.svd(parity.parts[index], full_matrices=False)
            found += list(zip(values, left.T @ parity.down, right @ parity.across, strict=True))
        rest = kernel.copy()
        for value, down, across in sorted(found, key=lambda term: -term[0]):
            if np.abs(rest).sum() <= limit:
                break
            rest -= value * np.outer(down, across)
            terms.append((down, across, value * np.eye(1, len(stack), index)[0]))
    n, kh, kw = stack.shape
    y, x, mix = (np.array([term[axis] for term in terms]) for axis in range(3))
    return y.reshape(-1, kh), x.reshape(-1, kw), mix.reshape(-1, n)


def _mixed(stack: Array, found: list[tuple[Parity, Array, Basis]]) -> _Factors:
    """All terms, mixed by least squares; each with the kernels of its parity, and of these those it serves, (n,)."""
    n, kh, kw = stack.shape
    y, x, mix = ([np.empty((0, length))] for length in (kh, kw, n))
    for parity in dict.fromkeys(parity for parity, _, _ in found):
        own = [(served, basis) for other, served, basis in found if other is parity]
        down, across = (np.hstack([basis[axis] for _, basis in own]) for axis in (0, 1))
        usable = np.repeat([served for served, _ in own], [basis[0].shape[1] for _, basis in own], axis=0)  # (r, n)
        kernels = parity.parts.reshape(len(stack), -1).T
        mix.append(_least_squares(_cp.products(down, across), kernels, usable))
        y.append(down.T @ parity.down)
        x.append(across.T @ parity.across)
    return np.vstack(y), np.vstack(x), np.vstack(mix)


def _least_squares(terms: Array, kernels: Array, usable: Array) -> Array:
    """(r, n) of terms (hw, r) for kernels (hw, n), each of those that are usable (r, n) for it."""
    mix = np.zeros(usable.shape)
    lengths = np.linalg.norm(terms, axis=0)
    lengths[lengths == 0.0] = 1.0
    for pattern in np.unique(usable, axis=1).T:
        if pattern.any():
            same = (usable == pattern[:, None]).all(axis=0)
            found = np.linalg.lstsq(terms[:, pattern] / lengths[pattern], kernels[:, same], rcond=None)[0]
            mix[np.ix_(pattern, same)] = found / lengths[pattern, None]
    return mix


def _of_rank(stack: Array, sizes: Array, rounding: Array, rank: int) -> _Factors:
    """At most so many terms: added in rounds, each where most is missing, and refined."""
    exact = _within(stack, sizes, rounding, Work(0.0))
    if len(exact[0]) <= rank:
        return exact
    work = Work(_WORK)
    parities = _grouping.parities(stack, rounding)
    fits = [Fit(parity.parts, 0.0) for parity in parities]
    negligible = 0.1 * float(rounding.max())
    while (total := sum(fit.rank for fit in fits)) < rank and max(fit.missing for fit in fits) > negligible:
        # A quarter at a time: adding half of them takes half the time, and leaves 1.4 times the error.
        for _ in range(max(1, (rank - total) // 4)):
            max(fits, key=lambda fit: fit.missing).add(1)
        for fit in fits:
            fit.refine(3, work)
    for fit in fits:
        fit.refine(24, work)
    held = [np.asarray(parity.parts.any(axis=(1, 2))) for parity in parities]
    return _mixed(stack, list(zip(parities, held, (fit.taps() for fit in fits), strict=True)))

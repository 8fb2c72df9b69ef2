"""A bank of 2-D kernels as combinations of few separable ones. NumPy only, no pixels.

The terms are looked for in this order: parity classes (symmetric kernels share even and odd parts), representatives (of
kernels that repeat or combine), groups (of kernels that gain from a common basis), and in each group the fewest terms
of three decompositions: every kernel's own, products of common row and column spaces, and a sum of rank-1 tensors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from fastsep import _image
from fastsep._image import Array

__all__ = ["BankFactorization", "factorize_bank"]

_Factors = tuple[Array, Array, Array]  # y (r, kh), x (r, kw), mix (r, n)

_EPS = float(np.finfo(np.float64).eps)
_TINY = float(np.finfo(np.float64).tiny)

# Evaluated in float32, a kernel whose terms are larger than itself by this factor loses four of its 24 bits.
_GROWTH = 16.0

# Operations that the search for common terms may take, all groups together; counted, not timed, so that the result does
# not depend on the machine's load. Up to 2 s on one core of a Zen 5.
_WORK = 2.5e10
_STEP_WORK = 8e6  # of a small step, which takes 0.4 ms whatever its size
_WIDEST_STEP = 2000  # unknowns of one linear system: 32 MB
_ROUNDS = 8  # of narrower limits where parts together miss theirs
_STEPS = 24  # of refining one number of terms
_FAR = 8.0  # times the limits: several terms are added at once
_MOST_PENALTY = 0.01  # of the squared norm of the tensor; more would prefer no terms to bad ones
_MOST_DAMPING = 1e10
_SAME = 0.95  # cosine between terms that count as one
_NEEDED = 0.6  # of the rank-1 tensors for a tensor of random numbers: what Gabor filters were seen to take
_MOST_TO_GROUP = 40  # kernels: 820 pairs, 0.3 s


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
    >>> from fastsep.factor_bank import factorize_bank
    >>> y, x = np.mgrid[-7:8, -7:8]
    >>> angles = np.arange(8) * np.pi / 8
    >>> waves = [np.cos(x * np.cos(a) + y * np.sin(a)) * np.exp(-(x**2 + y**2) / 9) for a in angles]
    >>> parts = factorize_bank(waves)  # of rank 2, but for two of them
    >>> parts.rank, parts.separate_multiplications, parts.dense_multiplications
    (8, 420, 1800)
    """
    stack = _stack(kernels)
    if rank is not None and tol is not None:
        raise ValueError(f"`rank` or `tol` must be None; got {_image.show(rank)} and {_image.show(tol)}.")
    terms = None if rank is None else _image.integer("rank", rank, 1)
    bound = 0.0 if tol is None else _image.not_negative("tol", tol)

    # Near 1 the squares of any finite kernel stay finite and above zero; a power of two costs no bit.
    unit = np.ldexp(1.0, int(np.frexp(np.abs(stack).max())[1]) - 1)
    scaled = stack / unit
    sizes = np.maximum(np.abs(scaled).sum(axis=(1, 2)), _TINY)  # of a kernel of zeros too something to divide by
    rounding = _rounding(scaled, sizes)
    with np.errstate(over="ignore"):
        limits = np.maximum(np.maximum(bound / unit, rounding), _TINY)
    if terms is None:
        y, x, mix = _within(scaled, sizes, limits, _Work(_WORK))
    else:
        y, x, mix = _of_rank(scaled, sizes, rounding, terms)
    y, x, mix = _normalised(y, x, mix)

    difference = _rebuilt(y, x, mix) - scaled
    errors = np.abs(difference).sum(axis=(1, 2))
    if terms is not None:
        limits = np.maximum(errors.max(), rounding)
    separate = sum(stack.shape[1:]) * sum(map(_own_rank, scaled, limits))
    growth = np.abs(mix).sum(axis=0) / sizes
    mix, errors = mix * unit, errors * unit
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


def _stack(kernels: Any) -> Array:
    array = _image.real_array("kernels", kernels)
    if array.ndim != 3 or not array.size:
        raise ValueError(f"`kernels` must be (n, kh, kw), none of them zero; got shape {array.shape}.")
    with np.errstate(over="ignore"):  # what is wider than float64
        values = array.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("`kernels` must be finite in float64; got NaN or infinity in it.")
    return values


def _rounding(stack: Array, sizes: Array) -> Array:
    """What counts as exact: backward errors of decompositions, and sums of as many products as there are terms."""
    return 16 * _EPS * sum(stack.shape[1:]) * sizes


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
    return int(_cut(kernel, np.ones_like(kernel), limit)[0].shape[1])


def _cut(matrix: Array, weights: Array, limit: float) -> tuple[Array, Array]:
    # weights: of the L1 norm
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    rest = matrix.copy()
    rank = 0
    while rank < len(values) and (np.abs(rest) * weights).sum() > limit:
        rest -= np.outer(left[:, rank] * values[rank], right[rank])
        rank += 1
    return left[:, :rank], right[:rank].T


# ---- parity classes


@dataclass(frozen=True, slots=True, eq=False)
class _Class:
    """Kernels of one parity along each axis, in orthonormal coordinates: `down @ kernel @ across.T`."""

    down: Array  # (h, kh)
    across: Array  # (w, kw)
    parts: Array  # (n, h, w)

    @property
    def weights(self) -> Array:
        """What a coordinate counts in the L1 norm of the kernel."""
        return np.outer(np.abs(self.down).sum(axis=1), np.abs(self.across).sum(axis=1))


def _classes(stack: Array, rounding: Array) -> list[_Class]:
    """Even and odd parts along both axes, one or none, whichever costs no terms.

    A matrix that is symmetric or antisymmetric about its middle has the rank of its two parts together, and one that is
    so along one axis alone is itself such a part. Of other kernels the parts would be more.
    """
    kh, kw = stack.shape[1:]
    axes: tuple[int, ...]
    for axes in ((1, 2), (1,), (2,)):
        mirrored = np.flip(stack, axes)
        off = np.minimum(np.abs(stack - mirrored).sum(axis=(1, 2)), np.abs(stack + mirrored).sum(axis=(1, 2)))
        if (off <= rounding).all():
            break
    else:
        axes = ()
    found = []
    for down in _parities(kh) if 1 in axes else [np.eye(kh)]:
        for across in _parities(kw) if 2 in axes else [np.eye(kw)]:
            parts = down @ stack @ across.T
            one = _Class(down, across, parts)
            held = (np.abs(parts) * one.weights).sum(axis=(1, 2)) > rounding
            parts[~held] = 0.0
            if held.any():
                found.append(one)
    return found


def _parities(length: int) -> list[Array]:
    """Orthonormal bases (half, length) of the even lines and of the odd ones."""
    half = length // 2
    rows = np.eye(half, length) / np.sqrt(2.0)
    middle = np.eye(1, length, half)[: length % 2]
    return [basis for basis in (np.vstack([rows + rows[:, ::-1], middle]), rows - rows[:, ::-1]) if len(basis)]


# ---- within a tolerance


def _within(stack: Array, sizes: Array, limits: Array, work: _Work) -> _Factors:
    """As few terms as are found for errors of at most `limits`."""
    rounding = _rounding(stack, sizes)
    classes = _classes(stack, rounding)
    wanted = sizes > limits
    held = [wanted & part.parts.any(axis=(1, 2)) for part in classes]
    # Errors of several classes that a pixel does not tell apart add up like noise.
    share = 1 / np.sqrt(np.maximum(sum(map(np.asarray, held), np.zeros(len(stack))), 1.0))
    blocks: list[_Block] = []
    for part, kept in zip(classes, held, strict=True):
        blocks += _blocks(part, kept, limits * share, sizes, 1.0 if (limits <= rounding).all() else _NEEDED)
    for block in blocks:
        block.solve(work)
    blocks = _joined(blocks, work)
    own = _one_by_one(stack, limits, classes)
    for _ in range(_ROUNDS):
        solution = _assembled(stack, blocks)
        over = solution.errors > limits
        steep = solution.growth > _GROWTH * sizes
        if not (over | steep).any():
            found = _trimmed(stack, sizes, limits, blocks, solution, work).factors
            return found if len(found[0]) <= len(own[0]) else own
        for block in blocks:
            if (steep & block.served).any():
                block.sizes = block.sizes * 0.7
            if (over & block.served).any():
                block.limits = block.limits * 0.7
            if ((steep | over) & block.served).any():
                block.solve(work)
    return own


def _one_by_one(stack: Array, limits: Array, classes: list[_Class]) -> _Factors:
    """Every kernel's own singular vectors, which holds for whatever defeats a common basis.

    Those of its parts, the largest first: they are those of the kernel, and where two singular values are equal still
    even or odd.
    """
    y: list[Array] = []
    x: list[Array] = []
    mix: list[Array] = []
    for index, (kernel, limit) in enumerate(zip(stack, limits, strict=True)):
        found = []
        for part in classes:
            left, values, right = np.linalg.svd(part.parts[index], full_matrices=False)
            found += list(zip(values, left.T @ part.down, right @ part.across, strict=True))
        rest = kernel.copy()
        for value, down, across in sorted(found, key=lambda term: -term[0]):
            if np.abs(rest).sum() <= limit:
                break
            rest -= value * np.outer(down, across)
            y, x, mix = [*y, down], [*x, across], [*mix, value * np.eye(1, len(stack), index)[0]]
    if not mix:
        return _no_terms(stack)
    return np.array(y), np.array(x), np.array(mix)


def _no_terms(stack: Array) -> _Factors:
    return np.empty((0, stack.shape[1])), np.empty((0, stack.shape[2])), np.empty((0, len(stack)))


class _Work:
    """What is left of the operations allowed."""

    def __init__(self, allowed: float) -> None:
        self.left = allowed

    def take(self, amount: float) -> bool:
        """Whether there was so much left."""
        self.left -= amount
        return self.left >= 0.0


@dataclass(slots=True, eq=False)
class _Block:
    """Representatives of one class that get a common basis."""

    part: _Class
    kernels: Array  # (m, h, w)
    limits: Array  # (m,), of the L1 norm of what is off
    sizes: Array  # (m,), L1 norms of the whole kernels
    served: Array  # (n,) bool: kernels that are combinations of these
    down: Array  # (h, r), taps in the coordinates of the class
    across: Array  # (w, r)
    fit: _Fit | None
    gave_up: bool

    def give_up(self) -> None:
        self.gave_up, self.fit = True, None

    def solve(self, work: _Work) -> None:
        """Find taps for the present limits."""
        own = [_cut(kernel, self.part.weights, limit) for kernel, limit in zip(self.kernels, self.limits, strict=True)]
        self.down = np.hstack([left for left, _ in own])
        self.across = np.hstack([right for _, right in own])
        if len(own) == 1:
            return
        tensor = self.kernels * _scales(self.kernels, self.part.weights, self.limits)[:, None, None]
        spaces = [_space(tensor, axis, 0.5) for axis in (1, 2)]
        p, q = (space.shape[1] for space in spaces)
        if p * q < self.down.shape[1]:
            # Where a space is whole, unit vectors are a basis that costs one multiplication a term.
            down, across = (np.eye(len(space)) if len(space) == space.shape[1] else space for space in spaces)
            self.down, self.across = np.repeat(down, q, axis=1), np.tile(across, p)
        least = max(_space(tensor, axis, 1.0).shape[1] for axis in range(3))
        widest = _NEEDED * _generic(len(tensor), p, q) * (p + q)
        if self.down.shape[1] > least and widest <= _WIDEST_STEP and not self.gave_up and work.left > 0.0:
            first = [(left[:, :1], right[:, :1]) for left, right in own]
            self._search(tensor, least, first, work)
        else:
            self.fit = None

    def _search(self, tensor: Array, least: int, first: list[tuple[Array, Array]], work: _Work) -> None:
        """Rank-1 tensors instead, if fewer do: added where most is missing, and all of them refined."""
        last = _Fit(tensor, 0.05)
        starts = [last]
        if self.fit is not None:
            last.start_from(*self.fit.taps())
        else:
            last.start_from(np.hstack([left for left, _ in first]), np.hstack([right for _, right in first]))
            if (self.limits < 1e-9 * self.sizes).all():
                # Exact sums are found or missed: of 6 mixtures of 10 terms the start above took 14. Where some error
                # is allowed it is the best: 25 terms for filters with a small common part, not 27 or 29.
                starts = [_Fit(tensor, 0.05), _Fit(tensor, 0.05), last]
                starts[0].start_from_diagonal(least)
        most = self.down.shape[1] - 1
        off, fit = np.inf, last
        for fit in starts:
            if fit.rank < most:
                # One more than the kernels have large terms: without it the refinement spoils those.
                fit.add(min(max(least - fit.rank, 1 if fit is last else 0), most - fit.rank))
                off = self._reached(fit, work)
                if off <= 1.0:
                    break
        while off > 1.0 and fit.rank < most and work.left > 0.0:
            fit.add(min(max(1, fit.rank // (5 if off > _FAR else 20)), most - fit.rank))
            off = self._reached(fit, work)
        if off <= 1.0:
            self.fit = fit
            self.down, self.across = fit.taps()
        else:
            self.give_up()

    def _reached(self, fit: _Fit, work: _Work) -> float:
        """Refine until the limits hold, or will not; by how much they are missed, at most 1 where they hold."""
        history: list[float] = []
        for step in range(_STEPS):
            if not work.take(fit.step_work):
                return np.inf
            moved = fit.step()
            history.append(self._off(fit))
            if history[-1] <= 1.0 or not moved or _hopeless(history, _STEPS - step):
                break
        return history[-1]

    def _off(self, fit: _Fit) -> float:
        """By how much the fit is beyond its limits, of error or, with a margin, of growth; 1 is allowed."""
        scales = _scales(self.kernels, self.part.weights, self.limits)[:, None]
        down, across = fit.taps()
        mix = fit.mix() / scales  # (m, r)
        terms = _products(down, across)
        flat, weights = self.kernels.reshape(len(mix), -1), self.part.weights.ravel()
        errors = np.abs(flat - mix @ terms.T) @ weights
        growth = (np.abs(mix) * (weights @ np.abs(terms))).sum(axis=1)
        return float(max((errors / self.limits).max(), (growth / (0.75 * _GROWTH * self.sizes)).max()))


def _generic(m: int, p: int, q: int) -> float:
    """About how many rank-1 tensors, of m + p + q - 2 free values each, make any tensor of this shape."""
    return m * p * q / max(m + p + q - 2, 1)


def _hopeless(history: list[float], left: int) -> bool:
    """Whether at the pace of the last three values 1 will not be reached in so many more."""
    return len(history) > 3 and history[-1] * (history[-1] / history[-4]) ** (left / 3) > 1.0


def _scales(kernels: Array, weights: Array, limits: Array) -> Array:
    """Such that a difference as widely spread as the kernel, and at its limit, has the norm 1."""
    spread = (np.abs(kernels) * weights).sum(axis=(1, 2)) / np.linalg.norm(kernels, axis=(1, 2))
    return np.asarray(spread / limits)


def _products(down: Array, across: Array) -> Array:
    """(h w, r), the terms of taps (h, r) and (w, r)."""
    return (down[:, None, :] * across[None, :, :]).reshape(len(down) * len(across), down.shape[1])


def _unfolded(tensor: Array, axis: int) -> Array:
    return np.moveaxis(tensor, axis, 0).reshape(tensor.shape[axis], -1)


def _space(tensor: Array, axis: int, missing: float) -> Array:
    """Orthonormal basis of the lines along `axis`, but for a rest of the norm `missing`, or rounding."""
    matrix = _unfolded(tensor, axis)
    left, values, _ = np.linalg.svd(matrix, full_matrices=False)
    rest = np.sqrt(np.cumsum(values[::-1] ** 2)[::-1])
    return np.asarray(left[:, rest > max(missing, _EPS * max(matrix.shape) * values[0])])


def _blocks(part: _Class, kept: Array, limits: Array, sizes: Array, needed: float) -> list[_Block]:
    """Representatives of the kernels `kept`, in groups."""
    chosen, coefficients, limits = _representatives(part, kept, limits)
    blocks = []
    kernels = part.parts[chosen]
    for group in _groups(kernels * _scales(kernels, part.weights, limits)[:, None, None], needed):
        h, w = kernels.shape[1:]
        served = np.asarray(coefficients[group].any(axis=0))
        own = [chosen[index] for index in group]
        blocks.append(
            _Block(
                part, kernels[group], limits[group], sizes[own], served, np.empty((h, 0)), np.empty((w, 0)), None, False
            )
        )
    return blocks


def _representatives(part: _Class, kept: Array, limits: Array) -> tuple[list[int], Array, Array]:
    """Kernels of which all those `kept` are combinations: indices, coefficients (m, n), limits (m,).

    Kernels of low rank come first. A kernel counts as a combination if that takes no more than a tenth of its limit;
    the rest is shared among those it is made of, unless that would make it much narrower than their own.
    """
    flat = part.parts.reshape(len(part.parts), -1)
    weights = part.weights.ravel()
    indices = np.flatnonzero(kept)
    ranks = [_cut(part.parts[index], part.weights, limits[index])[0].shape[1] for index in indices]
    chosen: list[int] = []
    bounds: list[float] = []
    coefficients = np.zeros((len(indices), len(flat)))
    for index in indices[np.argsort(ranks, kind="stable")]:
        kernel, limit = flat[index], limits[index]
        if chosen:
            basis = flat[chosen].T
            lengths = np.linalg.norm(basis, axis=0)
            mix = np.linalg.lstsq(basis / lengths, kernel, rcond=None)[0] / lengths
            mix[np.abs(mix) * (weights @ np.abs(basis)) < 0.01 * limit] = 0.0
            off = np.abs(kernel - basis @ mix) @ weights
            narrow = (limit - off) / max(float(np.abs(mix).sum()), _EPS)
            used = mix != 0.0
            if off <= 0.1 * limit and (narrow >= 0.2 * np.asarray(bounds)[used]).all():
                bounds = [min(bound, narrow) if use else bound for bound, use in zip(bounds, used, strict=True)]
                coefficients[: len(chosen), index] = mix
                continue
        coefficients[len(chosen), index] = 1.0
        chosen.append(int(index))
        bounds.append(float(limit))
    return chosen, coefficients[: len(chosen)], np.asarray(bounds)


def _groups(tensor: Array, needed: float) -> list[list[int]]:
    """Kernels that take fewer terms together than apart: pairs of groups are joined while that gains.

    The terms a group takes are estimated from the dimensions of its row and column spaces: `needed` times as many as a
    tensor of random numbers.
    """
    if len(tensor) > _MOST_TO_GROUP:
        return [list(range(len(tensor)))]

    known: dict[tuple[int, ...], float] = {}

    def terms(group: list[int]) -> float:
        key = tuple(sorted(group))
        if key not in known:
            m, p, q = (_space(tensor[list(key)], axis, 0.7).shape[1] for axis in range(3))
            known[key] = max(m, p, q, needed * _generic(m, p, q))
        return known[key]

    groups = [[index] for index in range(len(tensor))]
    while len(groups) > 1:
        gain, i, j = max(
            ((terms(a) + terms(b) - terms(a + b)) / max(terms(a) + terms(b), 1.0), i, j)
            for i, a in enumerate(groups)
            for j, b in enumerate(groups[:i])
        )
        if gain <= 0.0:
            break
        groups[j] += groups.pop(i)
    return [sorted(group) for group in groups]


def _joined(blocks: list[_Block], work: _Work) -> list[_Block]:
    """Blocks that found nearly the same term made one, where that has fewer terms.

    A small part that all kernels share, as the constant that makes them sum to zero, escapes the estimate of `_groups`.
    """
    result: list[_Block] = []
    for block in blocks:
        near = [other for other in result if other.part is block.part and _share_a_term(other, block)]
        if near:
            parts = [*near, block]
            kernels, limits, sizes = (
                np.concatenate([getattr(one, name) for one in parts]) for name in ("kernels", "limits", "sizes")
            )
            served = np.any([one.served for one in parts], axis=0)
            union = _Block(block.part, kernels, limits, sizes, served, block.down, block.across, None, False)
            union.solve(work)
            if union.down.shape[1] < sum(one.down.shape[1] for one in parts):
                result = [other for other in result if other not in near]
                block = union
        result.append(block)
    return result


def _share_a_term(one: _Block, other: _Block) -> bool:
    def unit(taps: Array) -> Array:
        return np.asarray(taps / np.linalg.norm(taps, axis=0))

    cosines = (unit(one.down).T @ unit(other.down)) * (unit(one.across).T @ unit(other.across))
    return bool((np.abs(cosines) > _SAME).any())


@dataclass(frozen=True, slots=True, eq=False)
class _Solution:
    factors: _Factors
    errors: Array  # (n,)
    growth: Array  # (n,), L1 norms of all terms together


def _assembled(stack: Array, blocks: list[_Block]) -> _Solution:
    """The terms of all blocks, mixed by least squares."""
    y, x, mix = ([lines] for lines in _no_terms(stack))
    for part in dict.fromkeys(block.part for block in blocks):
        own = [block for block in blocks if block.part is part]
        terms = np.hstack([_products(b.down, b.across) for b in own])
        usable = np.repeat([b.served for b in own], [b.down.shape[1] for b in own], axis=0)  # (r, n)
        mix.append(_least_squares(terms, part.parts.reshape(len(stack), -1).T, usable))
        y.append(np.hstack([b.down for b in own]).T @ part.down)
        x.append(np.hstack([b.across for b in own]).T @ part.across)
    factors = np.vstack(y), np.vstack(x), np.vstack(mix)
    errors = np.abs(_rebuilt(*factors) - stack).sum(axis=(1, 2))
    sums = np.abs(factors[0]).sum(axis=1) * np.abs(factors[1]).sum(axis=1)
    return _Solution(factors, errors, sums @ np.abs(factors[2]))


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


def _trimmed(
    stack: Array, sizes: Array, limits: Array, blocks: list[_Block], solution: _Solution, work: _Work
) -> _Solution:
    """Without the terms that can be spared; what one block leaves of the limits, the next may use."""

    def spared(block: _Block, fit: _Fit) -> _Solution | None:
        """One term dropped and the others refined until all limits hold."""
        fit.drop()
        history: list[float] = []
        while len(history) < _STEPS // 2:
            if not all(work.take(fit.step_work) and fit.step() for _ in range(2)):
                return None
            block.down, block.across = fit.taps()
            trial = _assembled(stack, blocks)
            history.append(float(max((trial.errors / limits).max(), (trial.growth / (_GROWTH * sizes)).max())))
            if history[-1] <= 1.0:
                return trial
            if _hopeless(history, _STEPS // 2 - len(history)):
                return None
        return None

    for block in blocks:
        while block.fit is not None and block.fit.rank > 1:
            taps, state = (block.down, block.across), block.fit.state
            trial = spared(block, block.fit)
            if trial is None:
                (block.down, block.across), block.fit.state = taps, state
                break
            solution = trial
    return solution


# ---- a given number of terms


def _of_rank(stack: Array, sizes: Array, rounding: Array, rank: int) -> _Factors:
    """At most so many terms: added one by one, or left over from all that the kernels are made of."""
    exact = _within(stack, sizes, rounding, _Work(0.0))
    if len(exact[0]) <= rank:
        return exact
    classes = _classes(stack, rounding)
    work = _Work(_WORK)
    candidates = [_grown(classes, rank, 0.1 * float(rounding.max()), work)]
    if len(exact[0]) <= 2 * rank:
        candidates.append(_thinned(classes, exact, rank, work))
    solutions = [_calmed(stack, sizes, rounding, classes, fits, work) for fits in candidates]
    return min(solutions, key=lambda factors: float(np.linalg.norm(_rebuilt(*factors) - stack)))


def _calmed(
    stack: Array, sizes: Array, rounding: Array, classes: list[_Class], fits: list[_Fit], work: _Work
) -> _Factors:
    """Refined, under a growing penalty as long as terms are too large."""
    for _ in range(5):
        blocks = []
        for part, fit in zip(classes, fits, strict=True):
            _refine(fit, _STEPS, work)
            served = np.asarray(part.parts.any(axis=(1, 2)))
            blocks.append(_Block(part, part.parts, rounding, sizes, served, *fit.taps(), fit, False))
        solution = _assembled(stack, blocks)
        if (solution.growth <= _GROWTH * sizes).all():
            break
        for fit in fits:
            fit.penalty = max(4.0 * fit.penalty, min(fit.cost, _MOST_PENALTY))
    return solution.factors


def _grown(classes: list[_Class], rank: int, negligible: float, work: _Work) -> list[_Fit]:
    fits = [_Fit(part.parts, 0.0) for part in classes]
    while (total := sum(fit.rank for fit in fits)) < rank:
        changed = set()
        for _ in range(max(1, (rank - total) // 4)):
            fit = max(fits, key=lambda fit: fit.missing)
            if fit.missing <= negligible:
                break
            fit.add(1)
            changed.add(fit)
        if not changed:
            break
        for fit in fits:
            if fit in changed:
                _refine(fit, 3, work)
    return fits


def _thinned(classes: list[_Class], exact: _Factors, rank: int, work: _Work) -> list[_Fit]:
    fits = []
    for part in classes:
        down, across = part.down @ exact[0].T, part.across @ exact[1].T
        own = down.any(axis=0) & across.any(axis=0)  # taps of another class are orthogonal bit for bit
        fit = _Fit(part.parts, 0.0)
        fit.start_from(down[:, own], across[:, own])
        fits.append(fit)
    while sum(fit.rank for fit in fits) > rank:
        fit = min(fits, key=lambda fit: fit.smallest)
        fit.drop()
        _refine(fit, 2, work)
    return fits


def _refine(fit: _Fit, steps: int, work: _Work) -> None:
    for _ in range(steps):
        if not work.take(fit.step_work) or not fit.step():
            break


# ---- a sum of rank-1 tensors


class _Fit:
    """A tensor (m, h, w) as a sum of rank-1 tensors, in the coordinates of its own spaces along the three axes.

    There the longest axis comes first. `factors` are (p, r), (q, r), (s, r), each column with the same norm in all.
    """

    def __init__(self, tensor: Array, missing: float) -> None:
        spaces = [_space(tensor, axis, missing) for axis in range(3)]
        core = tensor
        for space in spaces:  # every product takes the first axis and appends its own
            core = np.tensordot(core, space, axes=(0, 0))
        self.order = sorted(range(3), key=lambda axis: -core.shape[axis])
        self.spaces = [spaces[axis] for axis in self.order]
        self.size = float(np.linalg.norm(core))
        self.core = np.ascontiguousarray(core.transpose(self.order)) / self.size
        self._set([np.empty((length, 0)) for length in self.core.shape])
        self.damping = 0.0
        self.penalty = 0.0  # at least

    @property
    def rank(self) -> int:
        return int(self.factors[0].shape[1])

    @property
    def state(self) -> tuple[list[Array], float]:
        return self.factors, self.damping

    @state.setter
    def state(self, state: tuple[list[Array], float]) -> None:
        self._set(state[0])
        self.damping = state[1]

    @property
    def unknowns(self) -> int:
        return self.rank * sum(self.core.shape[1:])

    @property
    def step_work(self) -> float:
        if self.unknowns > _WIDEST_STEP:
            return 6.0 * self.core.size * self.rank + 3 * float(self.rank) ** 3 + _STEP_WORK
        return float(self.unknowns) ** 3 / 3 + 4.0 * self.unknowns**2 * self.rank + _STEP_WORK

    def _set(self, factors: list[Array]) -> None:
        norms = [np.linalg.norm(factor, axis=0) for factor in factors]
        common = np.cbrt(norms[0] * norms[1] * norms[2])
        self.factors = [
            factor * (common / np.where(norm > 0, norm, 1.0)) for factor, norm in zip(factors, norms, strict=True)
        ]
        self.rest, self.cost = self._rest(self.factors)

    def _rest(self, factors: list[Array]) -> tuple[Array, float]:
        first, second, third = factors
        terms = _products(second, third)
        rest = self.core - (first @ terms.T).reshape(self.core.shape)
        return rest, float((rest**2).sum())

    def _factor(self, axis: int) -> Array:
        place = self.order.index(axis)
        return np.asarray(self.spaces[place] @ self.factors[place])

    def taps(self) -> tuple[Array, Array]:
        """(h, r) and (w, r)."""
        return self._factor(1), self._factor(2)

    def mix(self) -> Array:
        """(m, r)."""
        return self._factor(0) * self.size

    def start_from(self, down: Array, across: Array) -> None:
        """Take over taps, mixed anew."""
        factors: list[Array] = [np.empty(0)] * 3
        given = {1: down, 2: across}
        for axis, taps in given.items():
            place = self.order.index(axis)
            factors[place] = self.spaces[place].T @ taps
        place = self.order.index(0)
        a, b = (factor for index, factor in enumerate(factors) if index != place)
        terms = _products(a, b)
        factors[place] = np.linalg.lstsq(terms, _unfolded(self.core, place).T, rcond=None)[0].T
        self._set(factors)

    def start_from_diagonal(self, rank: int) -> None:
        """Jennrich's solution, exact where there is one with so many terms, and no more than two axes are long."""
        p, q, s = self.core.shape
        if not s > 1 or rank > q:
            return
        one, other = self.core[:rank, :rank, 0], self.core[:rank, :rank, 1]
        vectors = np.linalg.eig(one @ np.linalg.pinv(other))[1].real
        a, b = np.zeros((p, rank)), np.zeros((q, rank))
        a[:rank], b[:rank] = vectors, (np.linalg.pinv(vectors) @ other).T
        c = np.linalg.lstsq(_products(a, b), self.core.reshape(p * q, s), rcond=None)[0].T
        self._set([a, b, c])

    @property
    def missing(self) -> float:
        """About the norm of the next term."""
        return float(np.linalg.norm(self._peak()[0])) * self.size

    def _peak(self) -> tuple[Array, Array, Array]:
        """The rank-1 tensor nearest to what is missing, by alternating; started from the largest slice."""
        rest = self.rest
        line = np.zeros(len(rest))
        line[(rest**2).sum(axis=(1, 2)).argmax()] = 1.0
        for _ in range(8):
            left, _, right = np.linalg.svd(np.tensordot(line, rest, 1))
            line = np.tensordot(rest, np.outer(left[:, 0], right[0]), 2)
            size = np.linalg.norm(line)
            if size == 0.0:
                break
            line /= size
        return line * size, left[:, 0], right[0]

    def add(self, count: int) -> None:
        """More terms, each the largest of what is missing."""
        for _ in range(count):
            self._set([np.column_stack(pair) for pair in zip(self.factors, self._peak(), strict=True)])

    @property
    def smallest(self) -> float:
        """Norm of the smallest term."""
        return float(np.linalg.norm(self.factors[0], axis=0).min(initial=np.inf)) ** 3 * self.size

    def drop(self) -> None:
        """Leave out the smallest term."""
        least = int(np.linalg.norm(self.factors[0], axis=0).argmin())
        self._set([np.delete(factor, least, axis=1) for factor in self.factors])

    def step(self) -> bool:
        """Refine all terms once; whether that was still possible.

        Levenberg and Marquardt's damped least squares. The first factor is eliminated from the linear system, which
        leaves r (q + s) unknowns whatever p is; a weak pull on all factors keeps terms from growing against each other.
        """
        if min(self.core.shape) == 1 or not self.rank:
            return False  # singular vectors, one after the other, are best already
        if self.unknowns > _WIDEST_STEP:
            return self._sweep()
        a, b, c = self.factors
        aa, bb, cc = a.T @ a, b.T @ b, c.T @ c
        q, rank = b.shape
        if self.damping == 0.0:
            self.damping = 1e-2 * float(np.mean(np.diag(bb) * np.diag(cc)))
        # As large as what is missing: with a hundredth of it, exact sums of kernels of random numbers grew to 40 times
        # the kernels, with all of it to 4 to 10 times.
        penalty = max(self.penalty, min(self.cost, _MOST_PENALTY))
        pull = penalty / (3 * float(np.trace(aa)))
        before = self.cost + penalty
        grads = [gradient - pull * factor for gradient, factor in zip(self._gradients(), self.factors, strict=True)]
        system, coupling = self._system(aa, bb, cc)
        raised = 2.0
        while self.damping < _MOST_DAMPING:
            extra = pull + self.damping
            inner = np.linalg.inv(bb * cc + extra * np.eye(rank))
            reduced = system - aa[None, :, None, :] * (coupling @ inner @ coupling.T).reshape(system.shape)
            reduced = reduced.reshape(self.unknowns, self.unknowns)
            reduced[np.diag_indices(self.unknowns)] += extra
            right = np.concatenate(grads[1:])
            right -= (coupling.reshape(-1, rank, rank) * (a.T @ grads[0] @ inner)).sum(axis=2)
            try:
                # Not SciPy's Cholesky, which takes half the operations: SciPy and NumPy bring a pool of BLAS threads
                # each, and in turns they wait for one another (2.7 s instead of 0.6 s on two cores).
                moves = np.linalg.solve(reduced, right.ravel()).reshape(-1, rank)
            except np.linalg.LinAlgError:
                self.damping *= 10.0
                continue
            db, dc = moves[:q], moves[q:]
            da = (grads[0] - a @ (cc * (b.T @ db)).T - a @ (bb * (c.T @ dc)).T) @ inner
            tried = [factor + move for factor, move in zip(self.factors, (da, db, dc), strict=True)]
            gained = before - self._rest(tried)[1] - pull * sum(float((factor**2).sum()) for factor in tried)
            if gained > 0.0:
                foreseen = sum(
                    float((move * (gradient + self.damping * move)).sum())
                    for move, gradient in zip((da, db, dc), grads, strict=True)
                )
                self.damping *= max(1 / 9, 1 - (2 * gained / max(foreseen, gained) - 1) ** 3)  # Nielsen's rule
                self._set(tried)
                return True
            self.damping *= raised
            raised *= 2.0
        return False

    def _gradients(self) -> tuple[Array, Array, Array]:
        """Downhill, for half the squared norm of what is missing."""
        a, b, c = self.factors
        along = self.rest @ c  # (p, q, r)
        across = self.rest.transpose(0, 2, 1) @ b  # (p, s, r)
        return (along * b).sum(axis=1), (along * a[:, None, :]).sum(axis=0), (across * a[:, None, :]).sum(axis=0)

    def _system(self, aa: Array, bb: Array, cc: Array) -> tuple[Array, Array]:
        """Second derivatives (Gauss-Newton) in b and c, and what couples them with a, but for a itself."""
        _, b, c = self.factors
        q, s, rank = len(b), len(c), self.rank
        system = np.zeros((q + s, rank, q + s, rank))
        rows = np.arange(q + s)
        system[rows[:q], :, rows[:q], :] = aa * cc
        system[rows[q:], :, rows[q:], :] = aa * bb
        system[:q, :, q:, :] = aa[None, :, None, :] * b[:, None, None, :] * c.T[None, :, :, None]
        system[q:, :, :q, :] = system[:q, :, q:, :].transpose(2, 3, 0, 1)
        coupling = np.concatenate([b[:, None, :] * cc, c[:, None, :] * bb])  # (q + s, r, r)
        return system, coupling.reshape(-1, rank)

    def _sweep(self) -> bool:
        """Every factor once by least squares: slower to converge, but there is no end to the size it can do."""
        before = self.cost
        for place in range(3):
            one, other = (factor for index, factor in enumerate(self.factors) if index != place)
            terms = _products(one, other)
            square = terms.T @ terms
            square[np.diag_indices(self.rank)] += 1e-12 * np.trace(square)
            factors = list(self.factors)
            factors[place] = np.linalg.solve(square, (_unfolded(self.core, place) @ terms).T).T
            self._set(factors)
        return self.cost < before

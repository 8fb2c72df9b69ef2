"""Few rank-1 terms for a group of matrices, of which each is a combination of them, within limits. NumPy only.

The fewest of three: the singular vectors of every matrix, the products of common row and column spaces, and a sum of
rank-1 tensors (CP), which is looked for by Levenberg and Marquardt's least squares from good starts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastsep._validation.array_like import Array

EPS = float(np.finfo(np.float64).eps)

# Evaluated in float32, a kernel whose terms are larger than itself by this factor loses four of its 24 bits.
MOST_GROWTH = 16.0

# Of the rank-1 tensors for a tensor of random numbers: what Gabor filters were seen to take.
NEEDED = 0.6

_STEP_WORK = 8e6  # of a small step, which takes 0.4 ms whatever its size
_WIDEST_STEP = 2000  # unknowns of one linear system: 32 MB
_STEPS = 24  # of refining one number of terms; 32 of them save 1 % of the terms of Gabor filters, for 10 % more time
_UNSEEN = 0.05  # of the limits: what a tensor has so little of is left out of the search
_MOST_PENALTY = 0.01  # of the squared norm of the tensor; more would prefer no terms to bad ones
_MOST_DAMPING = 1e10

Basis = tuple[Array, Array]  # taps of r terms, down (h, r) and across (w, r)


class Work:
    """Operations that are left to a search; counted, not timed, so that no result depends on the machine's load."""

    def __init__(self, allowed: float) -> None:
        self.left = allowed

    def take(self, amount: float) -> bool:
        """Whether there was so much left."""
        self.left -= amount
        return self.left >= 0.0


def common_basis(kernels: Array, weights: Array, limits: Array, sizes: Array, work: Work) -> Basis:
    """Terms of which kernels (m, h, w) are combinations within limits (m,), with a growth in bounds.

    Errors are L1 norms with weights (h, w), and so are the sizes (m,) that growth is measured by.
    """
    own = [cut(kernel, weights, limit) for kernel, limit in zip(kernels, limits, strict=True)]
    down, across = (np.hstack(lines) for lines in zip(*own, strict=True))
    if len(own) == 1:
        return down, across
    scales = scales_to_limits(kernels, weights, limits)
    tensor = kernels * scales[:, None, None]
    spaces = [space(tensor, axis, 0.5) for axis in (1, 2)]  # both together leave 0.7 of the limits
    p, q = (one.shape[1] for one in spaces)
    if p * q < down.shape[1]:
        # Where a space is whole, unit vectors are a basis that costs one multiplication a term.
        down, across = (np.eye(len(one)) if len(one) == one.shape[1] else one for one in spaces)
        down, across = np.repeat(down, q, axis=1), np.tile(across, p)
    # Fewer would have to be found by a search, if it is not too large.
    if NEEDED * rank_of_noise(len(tensor), p, q) * (p + q) > _WIDEST_STEP:
        return down, across

    def off(fit: Fit) -> float:
        """Error over its limit, or growth over its own with a margin, whichever is more: 1 is allowed."""
        down, across = fit.taps()
        mix, terms = fit.mix() / scales[:, None], products(down, across)
        errors = np.abs(kernels.reshape(len(mix), -1) - mix @ terms.T) @ weights.ravel()
        growth = (np.abs(mix) * (weights.ravel() @ np.abs(terms))).sum(axis=1)
        return float(max((errors / limits).max(), (growth / (0.75 * MOST_GROWTH * sizes)).max()))

    first = [np.hstack([lines[axis][:, :1] for lines in own]) for axis in (0, 1)]
    exact = bool((limits < 1e-9 * sizes).all())
    found = _searched(tensor, (first[0], first[1]), exact, down.shape[1] - 1, off, work)
    return (down, across) if found is None else found


def _searched(
    tensor: Array, first: Basis, exact: bool, most: int, off: Callable[[Fit], float], work: Work
) -> Basis | None:
    """A sum of at most `most` rank-1 tensors that is not `off` by more than 1: grown where most is missing."""
    least = max(space(tensor, axis, 1.0).shape[1] for axis in range(3))
    if least > most or work.left <= 0.0:
        return None
    if exact:
        # Exact sums are found or missed: of 12 mixtures of 10 terms the start below takes 100.
        fit = Fit(tensor, _UNSEEN)
        fit.start_from_slices(least)
        fit.add(least - fit.rank)
        if _reached(fit, off, work):
            return fit.taps()
    # Where some error is allowed the largest term of every kernel is the best start: 25 terms for filters with a small
    # common part, not 27 or 29. One more than those is added before the first refinement, which otherwise spoils them.
    fit = Fit(tensor, _UNSEEN)
    fit.start_from(*first)
    while fit.rank < most and work.left > 0.0:
        fit.add(max(1, least - fit.rank))
        if _reached(fit, off, work):
            return fit.taps()
    return None


def _reached(fit: Fit, off: Callable[[Fit], float], work: Work) -> bool:
    """Refine until `off` is at most 1, or will not be; whether it is."""
    history: list[float] = []
    for left in range(_STEPS, 0, -1):
        if not work.take(fit.step_work):
            return False
        moved = fit.step()
        history.append(off(fit))
        if history[-1] <= 1.0:
            return True
        # At the pace of the last three steps 1 is not reached in those that are left. Without this test the work is
        # used up early: 226 terms for 16 orientations of long Gabor filters, not 127.
        hopeless = len(history) > 3 and history[-1] * (history[-1] / history[-4]) ** (left / 3) > 1.0
        if not moved or hopeless:
            return False
    return False


def cut(matrix: Array, weights: Array, limit: float) -> Basis:
    """Singular vectors that leave at most `limit` in the L1 norm with these weights."""
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    rest = matrix.copy()
    rank = 0
    while rank < len(values) and (np.abs(rest) * weights).sum() > limit:
        rest -= np.outer(left[:, rank] * values[rank], right[rank])
        rank += 1
    return left[:, :rank], right[:rank].T


def space(tensor: Array, axis: int, missing: float) -> Array:
    """Orthonormal basis of the lines along `axis`, but for a rest of the norm `missing`, or rounding."""
    matrix = _unfolded(tensor, axis)
    left, values, _ = np.linalg.svd(matrix, full_matrices=False)
    rest = np.sqrt(np.cumsum(values[::-1] ** 2)[::-1])
    return np.asarray(left[:, rest > max(missing, EPS * max(matrix.shape) * values[0])])


def rank_of_noise(m: int, p: int, q: int) -> float:
    """About how many rank-1 tensors, of m + p + q - 2 free values each, make any tensor of this shape."""
    return m * p * q / max(m + p + q - 2, 1)


def scales_to_limits(kernels: Array, weights: Array, limits: Array) -> Array:
    """(m,), such that a difference as widely spread as the kernel, and at its limit, has the norm 1."""
    spread = (np.abs(kernels) * weights).sum(axis=(1, 2)) / np.linalg.norm(kernels, axis=(1, 2))
    return np.asarray(spread / limits)


def products(down: Array, across: Array) -> Array:
    """(h w, r), the terms of taps (h, r) and (w, r)."""
    return (down[:, None, :] * across[None, :, :]).reshape(len(down) * len(across), down.shape[1])


def _unfolded(tensor: Array, axis: int) -> Array:
    return np.moveaxis(tensor, axis, 0).reshape(tensor.shape[axis], -1)


class Fit:
    """A tensor (m, h, w) as a sum of rank-1 tensors, in the coordinates of its own spaces along the three axes.

    There the longest axis comes first, because it is free of cost (see `_moves`): with the kernels first, Gabor filters
    take a tenth more terms, for want of work. `factors` are (p, r), (q, r), (s, r), each column with one norm in all.
    """

    def __init__(self, tensor: Array, missing: float) -> None:
        spaces = [space(tensor, axis, missing) for axis in range(3)]
        core = tensor
        for lines in spaces:  # every product takes the first axis and appends its own
            core = np.tensordot(core, lines, axes=(0, 0))
        self.order = sorted(range(3), key=lambda axis: -core.shape[axis])
        self.spaces = [spaces[axis] for axis in self.order]
        self.size = float(np.linalg.norm(core))
        self.core = np.ascontiguousarray(core.transpose(self.order)) / self.size
        self._set([np.empty((length, 0)) for length in self.core.shape])
        self.damping = 0.0

    @property
    def rank(self) -> int:
        return int(self.factors[0].shape[1])

    @property
    def unknowns(self) -> int:
        """Of the linear system of a step."""
        return self.rank * sum(self.core.shape[1:])

    @property
    def step_work(self) -> float:
        if self.unknowns > _WIDEST_STEP:
            return 6.0 * self.core.size * self.rank + 3 * float(self.rank) ** 3 + _STEP_WORK
        return float(self.unknowns) ** 3 / 3 + 4.0 * self.unknowns**2 * self.rank + _STEP_WORK

    @property
    def missing(self) -> float:
        """About the norm of the next term."""
        return float(np.linalg.norm(self._peak()[0])) * self.size

    def taps(self) -> Basis:
        return self._lines(1), self._lines(2)

    def mix(self) -> Array:
        """(m, r)."""
        return self._lines(0) * self.size

    def _lines(self, axis: int) -> Array:
        place = self.order.index(axis)
        return np.asarray(self.spaces[place] @ self.factors[place])

    def start_from(self, down: Array, across: Array) -> None:
        """Take over taps, mixed anew."""
        taps = {1: down, 2: across}
        self._set_all_but(
            self.order.index(0),
            [lines.T @ taps[axis] for axis, lines in zip(self.order, self.spaces, strict=True) if axis in taps],
        )

    def start_from_slices(self, rank: int) -> None:
        """Jennrich's solution, exact where there is one with so many terms, and no more than two axes are long."""
        p, q, s = self.core.shape
        if s == 1 or rank > q:
            return
        # Two slices are a diag(c) b.T with different c: a are the eigenvectors of one times the inverse of the other.
        one, other = self.core[:rank, :rank, 0], self.core[:rank, :rank, 1]
        vectors = np.linalg.eig(one @ np.linalg.pinv(other))[1].real
        a, b = np.zeros((p, rank)), np.zeros((q, rank))
        a[:rank], b[:rank] = vectors, (np.linalg.pinv(vectors) @ other).T
        self._set_all_but(2, [a, b])

    def _set_all_but(self, place: int, factors: list[Array]) -> None:
        """The factors in their order, and the one at `place` by least squares."""
        missing = np.linalg.lstsq(products(*factors), _unfolded(self.core, place).T, rcond=None)[0].T
        self._set([*factors[:place], missing, *factors[place:]])

    def add(self, count: int) -> None:
        """More terms, each the largest of what is missing."""
        for _ in range(count):
            self._set([np.column_stack(pair) for pair in zip(self.factors, self._peak(), strict=True)])

    def _peak(self) -> tuple[Array, Array, Array]:
        """The rank-1 tensor nearest to what is missing, by alternating; started from the largest slice."""
        line = np.zeros(len(self.rest))
        line[(self.rest**2).sum(axis=(1, 2)).argmax()] = 1.0
        for _ in range(8):
            left, _, right = np.linalg.svd(np.tensordot(line, self.rest, 1))
            line = np.tensordot(self.rest, np.outer(left[:, 0], right[0]), 2)
            size = np.linalg.norm(line)
            if size == 0.0:
                break
            line /= size
        return line * size, left[:, 0], right[0]

    def _set(self, factors: list[Array]) -> None:
        norms = [np.linalg.norm(factor, axis=0) for factor in factors]
        common = np.cbrt(norms[0] * norms[1] * norms[2])
        self.factors = [
            factor * (common / np.where(norm > 0, norm, 1.0)) for factor, norm in zip(factors, norms, strict=True)
        ]
        self.rest = self._rest(self.factors)
        self.cost = float((self.rest**2).sum())

    def _rest(self, factors: list[Array]) -> Array:
        terms = products(factors[1], factors[2])
        return np.asarray(self.core - (factors[0] @ terms.T).reshape(self.core.shape))

    def refine(self, steps: int, work: Work) -> None:
        """So many steps, or as many as are possible."""
        for _ in range(steps):
            if not work.take(self.step_work) or not self.step():
                break

    def step(self) -> bool:
        """Refine all terms once; whether that was still possible.

        Levenberg and Marquardt's step; a weak pull on all factors keeps terms from growing against each other.
        """
        if min(self.core.shape) == 1 or not self.rank:
            return False  # singular vectors, one after the other, are best already
        if self.unknowns > _WIDEST_STEP:
            return self._sweep()
        if self.damping == 0.0:
            second, third = ((factor**2).sum(axis=0) for factor in self.factors[1:])
            self.damping = 1e-2 * float(np.mean(second * third))
        # As large as what is missing: with a hundredth of it, exact sums of kernels of random numbers grew to 40 times
        # the kernels, with all of it to 4 to 10 times.
        penalty = min(self.cost, _MOST_PENALTY)
        pull = penalty / (3 * float((self.factors[0] ** 2).sum()))
        before = self.cost + penalty
        grads = [gradient - pull * factor for gradient, factor in zip(self._gradients(), self.factors, strict=True)]
        system, coupling = self._system()
        raised = 2.0
        while self.damping < _MOST_DAMPING:
            try:
                moves = self._moves(grads, system, coupling, pull + self.damping)
            except np.linalg.LinAlgError:  # damped by less than its rounding
                self.damping *= 10.0
                continue
            tried = [factor + move for factor, move in zip(self.factors, moves, strict=True)]
            gained = before - float((self._rest(tried) ** 2).sum())
            gained -= pull * sum(float((factor**2).sum()) for factor in tried)
            if gained > 0.0:
                foreseen = sum(
                    float((move * (gradient + self.damping * move)).sum())
                    for move, gradient in zip(moves, grads, strict=True)
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

    def _system(self) -> tuple[Array, Array]:
        """Second derivatives (Gauss-Newton) in b and c, and what couples them with a, but for a itself."""
        a, b, c = self.factors
        aa, bb, cc = a.T @ a, b.T @ b, c.T @ c
        q, s, rank = len(b), len(c), self.rank
        system = np.zeros((q + s, rank, q + s, rank))
        rows = np.arange(q + s)
        system[rows[:q], :, rows[:q], :] = aa * cc
        system[rows[q:], :, rows[q:], :] = aa * bb
        system[:q, :, q:, :] = aa[None, :, None, :] * b[:, None, None, :] * c.T[None, :, :, None]
        system[q:, :, :q, :] = system[:q, :, q:, :].transpose(2, 3, 0, 1)
        return system, np.concatenate([b[:, None, :] * cc, c[:, None, :] * bb])  # (q + s, r, r)

    def _moves(self, grads: list[Array], system: Array, coupling: Array, damping: float) -> list[Array]:
        """Where the damped quadratic model is least; a is eliminated, which leaves r (q + s) unknowns whatever p is."""
        a, b, c = self.factors
        aa, bb, cc = a.T @ a, b.T @ b, c.T @ c
        q, rank = b.shape
        inner = np.linalg.inv(bb * cc + damping * np.eye(rank))
        flat = coupling.reshape(-1, rank)
        reduced = system - aa[None, :, None, :] * (flat @ inner @ flat.T).reshape(system.shape)
        reduced = reduced.reshape(self.unknowns, self.unknowns)
        reduced[np.diag_indices(self.unknowns)] += damping
        right = np.concatenate(grads[1:]) - (coupling * (a.T @ grads[0] @ inner)).sum(axis=2)
        # Not SciPy's Cholesky, which takes half the operations: SciPy and NumPy bring a pool of BLAS threads each, and
        # in turns they wait for one another (2.7 s instead of 0.6 s on two cores).
        moves = np.linalg.solve(reduced, right.ravel()).reshape(-1, rank)
        db, dc = moves[:q], moves[q:]
        da = (grads[0] - a @ (cc * (b.T @ db)).T - a @ (bb * (c.T @ dc)).T) @ inner
        return [da, db, dc]

    def _sweep(self) -> bool:
        """Every factor once by least squares: slower to converge, but there is no end to the size it can do.

        Without it 100 terms of 64 kernels of 15 x 15 are off by a third more.
        """
        before = self.cost
        for place in range(3):
            others = [*self.factors[:place], *self.factors[place + 1 :]]
            terms = products(*others)
            square = terms.T @ terms
            square[np.diag_indices(self.rank)] += 1e-12 * np.trace(square)
            solved = np.linalg.solve(square, (_unfolded(self.core, place) @ terms).T).T
            self._set([*others[:place], solved, *others[place:]])
        return self.cost < before

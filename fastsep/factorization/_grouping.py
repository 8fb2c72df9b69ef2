"""Which kernels of a bank are written in common terms: by parity, without repetition, in groups. NumPy only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations

import numpy as np

from fastsep._validation.array_like import Array
from fastsep.factorization import _cp
from fastsep.factorization._cp import EPS, NEEDED, Basis, Work, cut, scales_to_limits, space

_SAME = 0.95  # cosine between terms that count as one
_MOST_TO_GROUP = 40  # kernels: 820 pairs, 0.3 s


@dataclass(frozen=True, slots=True, eq=False)
class Parity:
    """Kernels of one parity along each axis, in orthonormal coordinates: `down @ kernel @ across.T`."""

    down: Array  # (h, kh)
    across: Array  # (w, kw)
    parts: Array  # (n, h, w)

    @property
    def weights(self) -> Array:
        """What a coordinate counts in the L1 norm of the kernel."""
        return np.outer(np.abs(self.down).sum(axis=1), np.abs(self.across).sum(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Kernels of one parity that get a common basis."""

    parity: Parity
    kernels: Array  # (m, h, w)
    limits: Array  # (m,), of the L1 norm of what is off
    sizes: Array  # (m,), L1 norms of the whole kernels
    served: Array  # (n,) bool: kernels of the bank that are combinations of these

    def solved(self, work: Work) -> Basis:
        """Terms for the present limits."""
        return _cp.common_basis(self.kernels, self.parity.weights, self.limits, self.sizes, work)

    def narrowed(self, by: float) -> Group:
        """The same with less room for errors and for growth."""
        return replace(self, limits=self.limits * by, sizes=self.sizes * by)


def parities(stack: Array, rounding: Array) -> list[Parity]:
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
    for down in _even_and_odd(kh) if 1 in axes else [np.eye(kh)]:
        for across in _even_and_odd(kw) if 2 in axes else [np.eye(kw)]:
            parts = down @ stack @ across.T
            one = Parity(down, across, parts)
            held = (np.abs(parts) * one.weights).sum(axis=(1, 2)) > rounding
            parts[~held] = 0.0
            if held.any():
                found.append(one)
    return found


def _even_and_odd(length: int) -> list[Array]:
    """Orthonormal bases (half, length) of the even lines and of the odd ones."""
    half = length // 2
    rows = np.eye(half, length) / np.sqrt(2.0)
    middle = np.eye(1, length, half)[: length % 2]
    return [basis for basis in (np.vstack([rows + rows[:, ::-1], middle]), rows - rows[:, ::-1]) if len(basis)]


def groups(parity: Parity, kept: Array, limits: Array, sizes: Array, exact: bool) -> list[Group]:
    """The kernels `kept`, but for those that are combinations of others, in groups that gain from a common basis."""
    chosen, served, limits = _representatives(parity, kept, limits)
    kernels = parity.parts[chosen]
    scaled = kernels * scales_to_limits(kernels, parity.weights, limits)[:, None, None]
    found = []
    # Exact sums of fewer terms than noise takes are rare.
    for members in _similar(scaled, 1.0 if exact else NEEDED):
        own = [chosen[index] for index in members]
        either = np.asarray(served[members].any(axis=0))
        found.append(Group(parity, kernels[members], limits[members], sizes[own], either))
    return found


def _representatives(parity: Parity, kept: Array, limits: Array) -> tuple[list[int], Array, Array]:
    """Kernels of which all those `kept` are combinations: indices, which (m, n) they serve, limits (m,).

    Kernels of low rank come first. A kernel counts as a combination if that takes no more than a tenth of its limit;
    the rest is shared among those it is made of, unless that would make it much narrower than their own.
    """
    flat = parity.parts.reshape(len(parity.parts), -1)
    weights = parity.weights.ravel()
    indices = np.flatnonzero(kept)
    ranks = [cut(parity.parts[index], parity.weights, limits[index])[0].shape[1] for index in indices]
    chosen: list[int] = []
    served: list[Array] = []
    bounds: list[float] = []
    for index in indices[np.argsort(ranks, kind="stable")]:
        kernel, limit = flat[index], limits[index]
        if chosen:
            basis = flat[chosen].T
            lengths = np.linalg.norm(basis, axis=0)
            mix = np.linalg.lstsq(basis / lengths, kernel, rcond=None)[0] / lengths
            mix[np.abs(mix) * (weights @ np.abs(basis)) < 0.01 * limit] = 0.0
            off = np.abs(kernel - basis @ mix) @ weights
            narrow = (limit - off) / max(float(np.abs(mix).sum()), EPS)
            used = np.flatnonzero(mix)
            if off <= 0.1 * limit and all(narrow >= 0.2 * bounds[place] for place in used):
                for place in used:
                    bounds[place] = min(bounds[place], narrow)
                    served[place][index] = True
                continue
        chosen.append(int(index))
        served.append(np.arange(len(flat)) == index)
        bounds.append(float(limit))
    return chosen, np.array(served), np.array(bounds)


def _similar(tensor: Array, needed: float) -> list[list[int]]:
    """Kernels that take fewer terms together than apart: pairs of groups are joined while that gains.

    The terms a group takes are estimated from the dimensions of its row and column spaces: `needed` times as many as a
    tensor of random numbers. One group of all takes 113 terms for the long Gabor filters of the benchmark, these 78.
    """
    if len(tensor) > _MOST_TO_GROUP:
        return [list(range(len(tensor)))]

    @cache
    def terms(group: tuple[int, ...]) -> float:
        m, p, q = (space(tensor[list(group)], axis, 0.7).shape[1] for axis in range(3))
        return float(max(m, p, q, needed * _cp.rank_of_noise(m, p, q)))

    found: list[tuple[int, ...]] = [(index,) for index in range(len(tensor))]
    while len(found) > 1:
        gain, j, i = max(
            ((terms(a) + terms(b) - terms(tuple(sorted(a + b)))) / max(terms(a) + terms(b), 1.0), j, i)
            for (i, a), (j, b) in combinations(enumerate(found), 2)
        )
        if gain <= 0.0:
            break
        found[i] = tuple(sorted(found[i] + found.pop(j)))
    return [list(group) for group in found]


def joined(solved: list[tuple[Group, Basis]], work: Work) -> list[tuple[Group, Basis]]:
    """Groups that found nearly the same term made one, where that has fewer terms.

    A small part that all kernels share, as the constant that makes them sum to zero, escapes the estimate of
    `_similar`: without this step round Gabor filters of zero mean take 28 terms, not 25.
    """
    result: list[tuple[Group, Basis]] = []
    for group, basis in solved:
        near = [one for one in result if one[0].parity is group.parity and _share_a_term(one[1], basis)]
        if near:
            parts = [*(one for one, _ in near), group]
            kernels, limits, sizes = (
                np.concatenate([getattr(one, name) for one in parts]) for name in ("kernels", "limits", "sizes")
            )
            served = np.asarray(np.any([one.served for one in parts], axis=0))
            union = Group(group.parity, kernels, limits, sizes, served)
            common = union.solved(work)
            if common[0].shape[1] < basis[0].shape[1] + sum(one[0].shape[1] for _, one in near):
                result = [one for one in result if one not in near]
                group, basis = union, common
        result.append((group, basis))
    return result


def _share_a_term(one: Basis, other: Basis) -> bool:
    cosines = 1.0
    for lines, others in zip(one, other, strict=True):
        cosines = cosines * ((lines / np.linalg.norm(lines, axis=0)).T @ (others / np.linalg.norm(others, axis=0)))
    return bool((np.abs(cosines) > _SAME).any())

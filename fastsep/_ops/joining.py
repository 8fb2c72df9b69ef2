"""Edges of an image whose blocks are looked at one by one: which of them are joined across the faces of blocks.

A weak pixel that no strong one of its own block reaches may be reached from another block. If it hangs together with a
face that its block shares with another, it stays open; all open pixels of an image and the edges at such faces are then
joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

from fastsep._kernels.arguments import STRONG, WEAK
from fastsep._ops.hysteresis import track
from fastsep._validation.array_like import Array


class Marks(NamedTuple):
    """What a block knows of its edges."""

    shape: tuple[int, ...]
    edges: Array  # connected to a strong pixel of the block: a bit for each pixel
    open: Array  # flat indices in the block of weak pixels that other blocks decide about
    places: Array  # of these, flat indices in the whole image with a margin of one pixel
    faces: Array  # of the edges at faces that the block shares, such indices


def two_axes(lengths: Sequence[int], first: int = 1) -> tuple[int, ...]:
    """The shape of an image, with that of a line as of one row; or, with 0, where a block of it begins."""
    return (first, *lengths) if len(lengths) == 1 else tuple(lengths)


def marks(codes: Array, start: Sequence[int], whole: Sequence[int], diagonal: bool) -> Marks:
    """Of the bytes of a block, WEAK, STRONG and 0, that begins at `start` of an image of shape `whole`.

    It has two axes or more. `diagonal`: pixels are neighbours at corners, too.
    """
    inside = (slice(1, -1),) * codes.ndim
    edges = _tracked(codes, diagonal)[inside]
    rest = (codes == WEAK) & (edges == 0)
    rim = np.zeros(codes.shape, bool)
    for axis, (first, size, length) in enumerate(zip(start, codes.shape, whole, strict=True)):
        planes = np.moveaxis(rim, axis, 0)
        if first > 0:
            planes[:1] = True
        if first + size < length:
            planes[-1:] = True
    seeds = np.where(rest & rim, STRONG, rest).astype(np.uint8)  # the weak ones at the faces as if they were strong
    reached = np.flatnonzero(_tracked(seeds, diagonal)[inside])
    at_faces = np.flatnonzero(rim & (edges != 0))
    places = (_places(found, codes.shape, start, whole) for found in (reached, at_faces))
    return Marks(codes.shape, np.packbits(edges), reached, *places)


def _tracked(codes: Array, diagonal: bool) -> Array:
    """Which pixels hang together with a strong one, with a margin of one pixel."""
    found = np.pad(codes, 1)
    track(found, diagonal, 1)
    return found


def _places(flat: Array, shape: tuple[int, ...], start: Sequence[int], whole: Sequence[int]) -> Array:
    """Flat indices in a block as such in the whole image with a margin, in which no neighbour is on another line."""
    coordinates = np.unravel_index(flat, shape)
    shifted = tuple(along + first + 1 for along, first in zip(coordinates, start, strict=True))
    return np.ravel_multi_index(shifted, tuple(size + 2 for size in whole))


def join(parts: Sequence[tuple[Array, Array]], whole: Sequence[int], diagonal: bool) -> list[Array]:
    """For each block's `places` and `faces`, which of the former turn out to be edges, as bools."""
    from scipy.sparse import coo_array  # takes long to import
    from scipy.sparse.csgraph import connected_components

    places = [place for place, _ in parts]
    opened, edges = (np.concatenate(each) for each in zip(*parts, strict=True))
    pixels = np.concatenate((opened, edges))
    if not len(opened):
        return [np.zeros(0, bool) for _ in places]
    order = np.argsort(pixels)
    ordered = pixels[order]
    first, second = [], []
    for step in _steps([size + 2 for size in whole], diagonal):
        at = np.minimum(np.searchsorted(ordered, ordered + step), len(ordered) - 1)
        (near,) = np.nonzero(ordered[at] == ordered + step)
        first.append(order[near])
        second.append(order[at[near]])
    ends = np.concatenate(first), np.concatenate(second)
    graph = coo_array((np.ones(len(ends[0]), bool), ends), shape=(len(pixels),) * 2)
    count, labels = connected_components(graph, directed=False)
    strong = np.zeros(count, bool)
    strong[labels[len(opened) :]] = True
    return np.split(strong[labels[: len(opened)]], np.cumsum([len(place) for place in places])[:-1])


def _steps(shape: Sequence[int], diagonal: bool) -> list[int]:
    """Half of the distances to a pixel's neighbours: those ahead."""
    strides = np.cumprod([1, *shape[:0:-1]])[::-1].tolist()
    found = [
        sum(offset * stride for offset, stride in zip(offsets, strides, strict=True))
        for offsets in product((-1, 0, 1), repeat=len(shape))
        if diagonal or sum(map(abs, offsets)) == 1
    ]
    return [step for step in found if step > 0]


def finished(known: Marks, joined: Array) -> Array:
    """The edges of a block, of which these open ones turned out to be some."""
    size = int(np.prod(known.shape))
    edges = np.unpackbits(known.edges, count=size).view(bool)
    edges[known.open[joined]] = True
    return edges.reshape(known.shape)

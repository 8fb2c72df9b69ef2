"""Filters a whole image block by block: the next block is read and the last one written meanwhile."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np

import fastsep
from fastsep._arrays.blocks import arguments, grid, local, reading
from fastsep._arrays.blocks.edges import Edges
from fastsep._arrays.blocks.grid import Bounds
from fastsep._arrays.blocks.journal import Journal, digest, identity
from fastsep._arrays.blocks.local import Local, Spare
from fastsep._arrays.blocks.places import place_of
from fastsep._arrays.blocks.progress import Report, reporter
from fastsep._arrays.blocks.writing import Target
from fastsep._engine.caches import MIB
from fastsep._plan import dtypes
from fastsep._validation import scalars
from fastsep._validation.array_like import Array

#: Larger blocks of arrays in memory gain nothing, and fewer overlap with writing.
IN_MEMORY = 64 * MIB

T = TypeVar("T")


def run(
    function: Any, source: Any, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any], block: Any, memory: Any,
    journal: Any, resume: bool, progress: Any,
) -> None:  # fmt: skip
    """`fastsep.filter_blocks`."""
    arguments.check_source(source)
    several = isinstance(target, tuple | list)
    targets = list(target) if several else [target]
    dtype = arguments.dtype_of_targets(targets)
    call, mask = local.of_call(function, tuple(source.shape), np.dtype(source.dtype), dtype, args, kwargs)
    mask = arguments.mask_of(mask, call)
    arguments.check_targets(targets, several, call, source, mask)
    chosen = _given(block, call) if block is not None else _chosen(memory, call, source, mask, targets)
    place = place_of(targets[0]) if call.tracks is None else None
    if call.tracks is not None and (resume or journal):
        raise ValueError(
            "`resume` and `journal` must not be given where edges are followed: what blocks know of each other is lost."
        )
    if journal is None and place is not None:
        journal = f"{place.beside}.fastsep-journal"
    if resume and not journal:
        raise ValueError("`resume` needs `journal`, a path, where `target` is neither a file nor a store of zarr.")
    with contextlib.ExitStack() as stack:
        outs = [stack.enter_context(contextlib.closing(Target(each))) for each in targets]

        def sync() -> None:
            for out in outs:
                out.sync()

        what = _identity(call, source, mask, targets, chosen)
        kept = Journal(os.fspath(journal) if journal else None, what, resume, sync)
        blocks = grid.blocks(source.shape, chosen)
        report = stack.enter_context(reporter(progress, len(blocks)))
        ahead, behind = (stack.enter_context(ThreadPoolExecutor(1)) for _ in range(2))
        work = _Work(call, source, mask, outs, blocks, ahead, behind)
        try:
            work.run(kept, report)
        except BaseException:  # an interrupt, too: what is written stays written
            with contextlib.suppress(Exception):
                behind.submit(kept.save).result()
            raise
        kept.remove()


def _given(block: Any, call: Local) -> tuple[int, ...]:
    """The caller's blocks."""
    sizes = [scalars.integer("block", size, 1) for size in scalars.per_axis("block", block, len(call.axes))]
    return tuple(
        axis.length if axis.whole else min(size, axis.length) for axis, size in zip(call.axes, sizes, strict=True)
    )


def _chosen(memory: Any, call: Local, source: Any, mask: Any, targets: Sequence[Any]) -> tuple[int, ...]:
    """Blocks for which `memory` is enough."""
    memory, axes = scalars.integer("memory", memory, 1), call.axes
    mapped = isinstance(source, np.ndarray)
    # One block is filtered and one fetched; of chunks some rows are kept for the next block.
    pixel = np.dtype(source.dtype).itemsize * (2 if mapped else 4) + (0 if mask is None else 4)
    # Of results one block is made while another is written.
    pixel += 2 * call.results * math.prod(call.shape[len(axes) :]) * call.dtype.itemsize + call.work

    def size_of(block: Sequence[int]) -> int:
        return int(pixel) * math.prod(axis.read_length(length) for axis, length in zip(axes, block, strict=True))

    shape = [axis.length for axis in axes]
    steps = grid.steps(shape, [reading.chunks(source), *map(reading.shards, targets)])
    least = [2 * sum(axis.halo) for axis in axes]
    most = min(memory, IN_MEMORY) if mapped else memory
    return grid.choose(shape, steps, least, [axis.whole for axis in axes], size_of, most, memory)


def _identity(call: Local, source: Any, mask: Any, targets: Sequence[Any], block: Sequence[int]) -> dict[str, Any]:
    """What a journal is for."""
    place = place_of(source)
    changes = place is not None and any(
        other is not None and other.path == place.path for other in map(place_of, targets)
    )
    return {
        "the version of fastsep": fastsep.__version__,
        "`function`": f"{call.function.__module__}.{call.function.__name__}",
        # Results do not depend on the number of threads.
        "an argument": digest({name: value for name, value in call.arguments.items() if name != "workers"}),
        "`source`": identity(source, changes),
        "`mask`": None if mask is None else identity(mask, False),
        "`target`": [identity(target, True) for target in targets],
        "the shape of blocks": list(block),
    }


class _Read(NamedTuple):
    """A block and its halo."""

    image: Array
    mask: Array | None
    inner: tuple[slice, ...]  # its own results in those of all


class _Work:
    """What is read, what is made of it, and where it goes."""

    def __init__(
        self, call: Local, source: Any, mask: Any, targets: Sequence[Target], blocks: Sequence[Bounds],
        ahead: Executor, behind: Executor,
    ) -> None:  # fmt: skip
        """`ahead` reads, `behind` writes."""
        self.call, self.targets, self.blocks, self.ahead, self.behind = call, targets, blocks, ahead, behind
        self.whole = tuple(axis.length for axis in call.axes)
        shared = sum(call.axes[0].halo) + call.axes[0].unit - 1
        self.image = reading.reader(source, shared)
        self.mask = None if mask is None else reading.reader(mask, shared)
        self.masked = () if mask is None else call.masked_axes(mask.ndim)

    def run(self, journal: Journal, report: Report) -> None:
        """All blocks that the journal does not list."""
        edges = None if self.call.tracks is None else Edges(self.whole, self.call.tracks)
        if self.call.look is not None and journal.within is None:
            journal.within = self._is_within()
        finished = set(journal.done)
        rest = [number for number in range(len(self.blocks)) if number not in finished]
        written: Future[None] | None = None
        spare, written_from = Spare(), Spare()
        for number, read in zip(rest, _one_ahead(self._read, rest, self.ahead), strict=True):
            if edges is not None:
                codes = self.call.codes(read.image, read.mask)[read.inner]
                results: Sequence[Array] = [edges.add(self.blocks[number], np.ascontiguousarray(codes))]
            else:
                results = self.call.run(read.image, read.mask, journal.within, spare)
                results = [values[read.inner] for values in results]
            self.image.release(read.image)
            del read  # before another block is fetched
            if written is not None:
                written.result()
                report(len(journal.done), len(self.blocks))
            written = self.behind.submit(self._write, number, results, journal)
            spare, written_from = written_from, spare
        if written is not None:
            written.result()
            report(len(journal.done), len(self.blocks))
        if edges is not None:
            edges.join(self.targets[0])

    def _read(self, number: int) -> _Read:
        reads = [axis.reads(*bounds) for axis, bounds in zip(self.call.axes, self.blocks[number], strict=True)]
        image, mask = self.image.read([each.runs for each in reads]), None
        if self.mask is not None:
            mask = self.mask.read([reads[axis].runs for axis in self.masked])
        return _Read(image, mask, tuple(each.inner for each in reads))

    def _write(self, number: int, results: Sequence[Array], journal: Journal) -> None:
        for target, values in zip(self.targets, results, strict=True):
            target.write(self.blocks[number], values)
        journal.add(number)

    def _is_within(self) -> bool:
        """What the call asks of all pixels, of which each block tells its part."""

        def read(bounds: Bounds) -> Array:
            return self.image.read([(each,) for each in bounds])

        look, source = self.call.look, self.call.source
        assert look is not None
        for image in _one_ahead(read, self.blocks, self.ahead):
            values = image if source is None else dtypes.convert(image, source, None, False)
            if not look(values, workers=None):
                return False
            self.image.release(image)
        return True


def _one_ahead(function: Callable[[T], Any], items: Iterable[T], executor: Executor) -> Iterator[Any]:
    """The function's values for all items, of which the next one is made while one is used."""
    made: Future[Any] | None = None
    for item in items:
        following = executor.submit(function, item)
        if made is not None:
            yield made.result()
        made = following
    if made is not None:
        yield made.result()

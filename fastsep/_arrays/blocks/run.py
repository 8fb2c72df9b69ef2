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
from fastsep._arrays.blocks import arguments, grid, in_place, local, reading
from fastsep._arrays.blocks.edges import LEFT, Edges
from fastsep._arrays.blocks.grid import Bounds
from fastsep._arrays.blocks.journal import Journal, digest, identity
from fastsep._arrays.blocks.kept import Left
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
#: Blocks that are filtered in place take no memory but that of the bands at work: they are so many times larger, since
#: each ends with a wait for its last thread (measured: 2 ms, of 35 ms for 8192 x 8192 pixels of float32).
IN_PLACE = 4

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
    place = place_of(targets[0])
    if journal is None and place is not None:
        journal = f"{place.beside}.fastsep-journal"
    if resume and not journal:
        raise ValueError("`resume` needs `journal`, a path, where `target` is neither a file nor a store of zarr.")
    with contextlib.ExitStack() as stack:
        outs = [stack.enter_context(contextlib.closing(Target(each))) for each in targets]

        memory = scalars.integer("memory", memory, 1)
        chosen = None if block is None else _given(block, call)
        rows = in_place.rows_of(call, source, outs[0], memory, chosen)
        if chosen is None:
            chosen = _chosen(memory, call, source, mask, targets, rows is not None)

        def sync() -> None:
            for out in outs:
                out.sync()

        what = _identity(call, source, mask, targets, chosen)
        blocks = grid.blocks(source.shape, chosen)
        left = 0 if call.tracks is None else LEFT
        kept = Journal(os.fspath(journal) if journal else None, what, resume, sync, len(blocks), left)
        report = stack.enter_context(reporter(progress, kept.total))
        ahead, behind = (stack.enter_context(ThreadPoolExecutor(1)) for _ in range(2))
        work = _Work(call, source, mask, outs, blocks, rows, ahead, behind)
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


def _chosen(
    memory: int, call: Local, source: Any, mask: Any, targets: Sequence[Any], in_place: bool
) -> tuple[int, ...]:  # fmt: skip
    """Blocks for which `memory` is enough. `in_place`: nothing is copied."""
    axes = call.axes
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
    if in_place:
        most = memory = IN_PLACE * memory
    else:
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
        rows: in_place.Rows | None, ahead: Executor, behind: Executor,
    ) -> None:  # fmt: skip
        """`ahead` reads, `behind` writes, but where `rows` are filtered where they lie."""
        self.call, self.targets, self.blocks, self.ahead, self.behind = call, targets, blocks, ahead, behind
        self.rows = rows
        whole = tuple(axis.length for axis in call.axes)
        self.edges = None if call.tracks is None else Edges(whole, call.tracks)
        shared = sum(call.axes[0].halo) + call.axes[0].unit - 1
        self.image = reading.reader(source, shared)
        self.mask = None if mask is None else reading.reader(mask, shared)
        self.masked = () if mask is None else call.masked_axes(mask.ndim)

    def run(self, journal: Journal, report: Report) -> None:
        """All blocks that the journal does not list."""
        if self.call.look is not None and journal.within is None:
            journal.within = self._is_within()
        rest = range(len(journal.done), len(self.blocks))
        written: Future[None] | None = None
        spare, written_from = Spare(), Spare()
        for number, read in zip(rest, _one_ahead(self._read, rest, self.ahead), strict=True):
            results, left = self._results(number, read, journal.within, spare)
            if read is not None:
                self.image.release(read.image)
            del read  # before another block is fetched
            if written is not None:
                written.result()
                report(len(journal.done), journal.total)
            written = self.behind.submit(self._write, number, results, left, journal)
            spare, written_from = written_from, spare
        if written is not None:
            written.result()
            report(len(journal.done), journal.total)
        if self.edges is not None:
            self._join(self.edges, journal, report)

    def _read(self, number: int) -> _Read | None:
        if self.rows is not None:
            self.rows.fetch(self.blocks[number])
            return None
        reads = [axis.reads(*bounds) for axis, bounds in zip(self.call.axes, self.blocks[number], strict=True)]
        image, mask = self.image.read([each.runs for each in reads]), None
        if self.mask is not None:
            mask = self.mask.read([reads[axis].runs for axis in self.masked])
        return _Read(image, mask, tuple(each.inner for each in reads))

    def _results(
        self, number: int, read: _Read | None, within: bool | None, spare: Spare
    ) -> tuple[Sequence[Array], Left]:  # fmt: skip
        """The results of a block, none if they are where they belong, and what it leaves for the second pass."""
        if read is None:
            assert self.rows is not None
            self.rows.make(self.blocks[number])
            return (), ()
        if self.edges is None:
            return [values[read.inner] for values in self.call.run(read.image, read.mask, within, spare)], ()
        codes = self.call.codes(read.image, read.mask)[read.inner]
        edges, left = self.edges.within(self.blocks[number], np.ascontiguousarray(codes))
        return [edges], left

    def _write(self, number: int, results: Sequence[Array], left: Left, journal: Journal) -> None:
        for target, values in zip(self.targets if results else (), results, strict=True):
            target.write(self.blocks[number], values)
        journal.add(number, left)

    def _join(self, edges: Edges, journal: Journal, report: Report) -> None:
        """The second pass: add what other blocks make edges. What was added before may be added again."""
        (target,), first = self.targets, len(journal.done) - len(self.blocks)
        joined = edges.joined(journal.kept.found)
        for number in range(first, len(self.blocks)):
            if len(joined[number]):
                found = target.read(self.blocks[number])
                found.reshape(-1)[joined[number]] = True
                target.write(self.blocks[number], found)
            journal.add(len(self.blocks) + number, ())
            report(len(journal.done), journal.total)

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

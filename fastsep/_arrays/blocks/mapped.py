"""Files that are mapped into memory: what the system is told of them, and a faster way to write to them."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from fastsep._engine.memory import address_of
from fastsep._validation.array_like import Array

PAGE = mmap.PAGESIZE
#: Pages of a file that are looked at to tell whether the system has all of it in memory.
SAMPLES = 64
#: A file of which the disk holds no more than this part is a new one.
NEW = 1 / 8
#: Not all systems let a process say what it needs.
FETCH, RELEASE = getattr(mmap, "MADV_WILLNEED", None), getattr(mmap, "MADV_DONTNEED", None)


class Span(NamedTuple):
    """Where the values of an array are in the file that it maps."""

    map: mmap.mmap
    start: int  # bytes from the beginning of the map
    stop: int
    path: str
    offset: int  # of the map in the file


def span(array: Array) -> Span | None:
    """None if it is no map of a file, or one that keeps changes to itself."""
    return None if isinstance(array, np.memmap) and array.mode == "c" else _span_in(array, array)


def span_behind(array: Array) -> Span | None:
    """`span` of any view of a map, also of one that keeps changes to itself: it shows what others write."""
    owner: Any = array
    while isinstance(owner, np.ndarray) and not isinstance(owner, np.memmap):
        owner = owner.base
    return _span_in(owner, array)


def _span_in(owner: Any, array: Array) -> Span | None:
    """Where the values of `array` are in the file that `owner` maps."""
    mapping = getattr(owner, "_mmap", None)
    if not isinstance(owner, np.memmap) or mapping is None or not array.size:
        return None
    first = address_of(np.frombuffer(mapping, np.uint8))
    low, high = np.lib.array_utils.byte_bounds(array)
    offset = owner.offset - owner.offset % mmap.ALLOCATIONGRANULARITY  # as `np.memmap` maps it
    path = "" if owner.filename is None else os.fspath(owner.filename)
    return Span(mapping, low - first, high - first, path, offset)


def fetch(array: Array) -> None:
    """Let the system read what will be needed."""
    _advise(array, FETCH)


def release(array: Array) -> None:
    """Take pages out of this process' memory. The system keeps them as long as it has room, and writes what is new."""
    _advise(array, RELEASE)


def _advise(array: Array, what: int | None) -> None:
    found = None if what is None else span(array)
    if found is not None and what is not None:
        start, stop = -(-found.start // PAGE) * PAGE, found.stop // PAGE * PAGE
        if stop > start:
            found.map.madvise(what, start, stop - start)


class File:
    """The file that an array maps, to be written to.

    A new page that is written through a map costs a fault of its own: 8192 x 8192 values of float32 took 0.09 s to copy
    into a new file that way, 0.06 s by `pwrite` (Linux, ext4), which leaves no page in this process' memory, either.
    """

    def __init__(self, found: Span) -> None:
        self.offset = found.offset
        self.descriptor = os.open(found.path, os.O_RDWR)

    def write(self, place: Span, values: Array) -> None:
        """C-contiguous values into their place."""
        data, at = values.reshape(-1).view(np.uint8).data, self.offset + place.start
        while data:
            done = os.pwrite(self.descriptor, data, at)
            data, at = data[done:], at + done

    def map(self, place: Span, array: Array) -> Array | None:
        """`array`, or the same place mapped once more, to be written to; None where `write` is better.

        That is where the system would have to read from the disk what is overwritten then, or where it cannot promise
        room on the disk: without that a page that is written ends the process.
        """
        status = os.fstat(self.descriptor)
        stored = 512 * status.st_blocks
        if stored < status.st_size and not _allocate(
            self.descriptor, self.offset + place.start, place.stop - place.start
        ):
            return None
        if stored > NEW * status.st_size:
            return array if _is_cached(array) else None
        with open(self.descriptor, "r+b", buffering=0, closefd=False) as file:
            found = np.memmap(file, array.dtype, "r+", self.offset + place.start, array.shape)
        with suppress(AttributeError, OSError):  # 2 MiB a page instead of 4 KiB (measured: 0.05 s instead of 0.08 s)
            found._mmap.madvise(mmap.MADV_HUGEPAGE)  # type: ignore[attr-defined]
        return found

    def sync(self) -> None:
        os.fsync(self.descriptor)

    def close(self) -> None:
        os.close(self.descriptor)


def file_of(array: Array) -> File | None:
    """The file behind an array whose memory and file are seen to be one; None where that cannot be told."""
    found = span(array)
    if found is None or not found.path or not hasattr(os, "pwrite") or not array.flags.writeable:
        return None
    try:
        file = File(found)
    except OSError:
        return None
    # The path may lead to another file by now. Whether a byte that is changed in memory changes there tells.
    before = found.map[found.start]
    try:
        seen = []
        for value in (before ^ 255, before):
            found.map[found.start] = value
            seen.append(os.pread(file.descriptor, 1, file.offset + found.start) == bytes([value]))
    finally:
        found.map[found.start] = before
    if all(seen):
        return file
    file.close()
    return None


def _allocate(descriptor: int, start: int, size: int) -> bool:
    """Reserve room on the disk for a part of a file; whether the system can do that.

    Not by `os.posix_fallocate`, which writes to every page where it cannot.
    """
    fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate64", None)
    if fallocate is None:
        return False
    fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    if fallocate(descriptor, 0, start, size) == 0:
        return True
    error = ctypes.get_errno()
    if error == errno.ENOSPC:
        raise OSError(error, os.strerror(error))
    return False


def _is_cached(array: Array) -> bool:
    """Whether the system has all of a mapped file in memory, as far as a look at some pages tells."""
    look = getattr(ctypes.CDLL(None), "mincore", None)
    if look is None:
        return False
    look.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    first, seen = address_of(array), ctypes.c_ubyte()
    for place in range(first, first + array.nbytes, max(array.nbytes // SAMPLES, PAGE)):
        if look(place // PAGE * PAGE, PAGE, ctypes.byref(seen)) or not seen.value & 1:
            return False
    return True

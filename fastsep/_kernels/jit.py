"""How a kernel is compiled, cached and loaded.

A kernel is a serial band function `void(int64 block, int64 band)`: `block` is the address of its
arguments, `band` says which share of the work to do. It takes no Python object, never raises and
never allocates, so its object code needs nothing of Numba at run time. It is stored as plain data
and loaded through llvmlite alone: a warm start does not import Numba, which would cost 0.3 s.
"""

from __future__ import annotations

import ctypes
import functools
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastsep._kernels.internals import link
from fastsep._kernels.native_threads import RLock

if TYPE_CHECKING:
    from pathlib import Path

#: What a band function looks like from outside: Numba's native calling convention.
BAND = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
#: The same, called with `arguments`: ctypes has nothing to convert, which takes 0.28 us of 0.51.
FIRST_BAND = ctypes.CFUNCTYPE(ctypes.c_int)
_nothing = (ctypes.c_int64 * 2)()
UNUSED = ctypes.addressof(_nothing)  # where a band function leaves its (unused) result


def arguments(block: int) -> tuple[Any, ...]:
    """What a `FIRST_BAND` is called with, for the argument block at this address."""
    unused = ctypes.byref(_nothing)
    return unused, unused, ctypes.byref(ctypes.c_char.from_address(block)), None


#: Held while a kernel is compiled or loaded, and across a fork.
lock = RLock()
_addresses: dict[tuple[Any, ...], int] = {}  # by key and target


@dataclass(frozen=True, slots=True)
class Target:
    """The CPU that kernels are compiled for."""

    name: str
    features: str
    vector_bytes: int
    tile: int  # outputs, a vector each, that one register tile computes together
    triple: str

    @property
    def register_bytes(self) -> int:
        """Width of a register, of which a vector may fill two."""
        return self.vector_bytes if _is_x86(self.triple) else 16

    @property
    def fused(self) -> bool:
        """Whether a multiply-add rounds once."""
        return self.vector_bytes > 16 or not _is_x86(self.triple)


#: What stands in for this process's own target; only `levels.for_level` sets it.
instead: Target | None = None

#: Levels of x86-64 that have kernels of their own: bytes of a vector, and what a CPU needs besides the level before.
LEVELS = {
    "x86-64-v2": (16, "cx16 popcnt sahf sse3 sse4.1 sse4.2 ssse3"),
    "x86-64-v3": (32, "avx avx2 bmi bmi2 f16c fma lzcnt movbe xsave"),
    "x86-64-v4": (64, "avx512bw avx512cd avx512dq avx512f avx512vl"),
}


#: Bytes of the widest vectors of any CPU. Where ways round differently, it is these that decide between them.
WIDEST = max(size for size, _ in LEVELS.values())


def target() -> Target:
    """The CPU that calls are planned, and kernels compiled, for."""
    return own_target() if instead is None else instead


@functools.cache
def own_target() -> Target:
    """The CPU found at first use, honouring NUMBA_CPU_NAME and NUMBA_CPU_FEATURES as Numba does."""
    named = os.environ.get("NUMBA_CPU_NAME")
    with lock:
        name, features, triple = _processor(named)
    if not _is_x86(triple):
        # NEON's 32 registers of 16 bytes are used as 16 of 32, in pairs: a tile of four outputs keeps eight sums.
        # Eight outputs of one register each need one more move and as many loads for the same eight multiply-adds, and
        # a block of them would have to be transposed in parts.
        return Target(name, features, 32, 4, triple)
    # A name that was asked for decides, also where the features are still the host's.
    return _x86_target(name, features, _vector_bytes(name if named else "", features), triple)


def level_target(level: str) -> Target:
    """What `own_target` is where NUMBA_CPU_NAME names a level of x86-64 and NUMBA_CPU_FEATURES is empty.

    Raises ValueError for a level whose code this machine cannot run.
    """
    import llvmlite.binding as llvm

    if level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}, got {level!r}")
    with lock:
        has, triple = llvm.get_host_cpu_features(), llvm.get_process_triple()
    needed = [feature for name in LEVELS if name <= level for feature in LEVELS[name][1].split()]
    lacking = [feature for feature in needed if not has.get(feature)]
    if lacking:
        raise ValueError(f"level {level} cannot run on this CPU, which lacks {', '.join(lacking)}")
    return _x86_target(level, "", LEVELS[level][0], triple)


def environment() -> dict[str, str]:
    """Variables for a process that is to compile for the same CPU."""
    return {} if instead is None else {"NUMBA_CPU_NAME": instead.name, "NUMBA_CPU_FEATURES": instead.features}


def _x86_target(name: str, features: str, width: int, triple: str) -> Target:
    # 32 vector registers hold a tile of eight outputs, 16 a tile of four.
    return Target(name, features, width, 8 if width == 64 else 4, triple)


def _processor(named: str | None) -> tuple[str, str, str]:
    """Name, features and triple.

    The caller holds `lock`: llvmlite's own is gevent's where that has patched `threading`, and threads that meet there
    may wait for ever.
    """
    import llvmlite.binding as llvm

    name = named or llvm.get_host_cpu_name()
    features = os.environ.get("NUMBA_CPU_FEATURES")
    if features is None:
        features = "" if name == "generic" else llvm.get_host_cpu_features().flatten()
    return name, features, llvm.get_process_triple()


def _is_x86(triple: str) -> bool:
    return triple.startswith(("x86", "i686", "amd64"))


def host_cpu() -> str:
    """LLVM's name of this machine's processor; "generic" if it has none."""
    import llvmlite.binding as llvm

    return str(llvm.get_host_cpu_name())


def _vector_bytes(name: str, features: str) -> int:
    if name in LEVELS:
        return LEVELS[name][0]
    if name in ("x86-64", "generic"):
        return 16
    has = set(features.split(","))
    if {"+avx512f", "+avx512bw", "+avx512dq", "+avx512vl"} <= has:
        return 64
    return 32 if {"+avx2", "+fma"} <= has else 16


def sweep_height(exact: bool = False) -> int:
    """Rows of a strip that sweeps along the columns, with vectors of each row in registers.

    In SciPy's order of operations more of them are alive at a time.
    """
    return (4 if exact else 6) if target().tile == 8 else 2


def sweep_volume_height() -> int:
    """The same for sweeps of volumes, which read the rows of three planes and keep five vectors for each result."""
    return 4 if target().tile == 8 else 2


def sweep_bytes(form: str, channels: int, itemsize: int) -> int:
    """Bytes of a vector in a sweep of this form: of several registers where neighbours lie beyond the next one."""
    size, reach = target().vector_bytes, sweep_radius(form) * channels * itemsize
    while size < reach:
        size *= 2
    return size


def sweep_radius(form: str) -> int:
    """How many pixels a sweep of this form reads on either side of one."""
    family = form.split()[0]
    for name in ("smooth", "wide"):
        if family.startswith(name):
            return int(family.removeprefix(name))
    return 1


def sum_height() -> int:
    """The same for the gradient of a sum of two images, of which one vector of each row is kept in a register.

    Eight rows are half of what a pipeline makes at a time.
    """
    return 8 if target().tile == 8 else 2


def dense_height(differences: bool = False) -> int:
    """Rows that a tile of dense correlation computes together: as many sums and rows of input in registers.

    Where taps apply to differences, as many pixels besides that inputs are compared with.
    """
    if target().tile == 8:
        return 8
    return 4 if differences else 6


def extremum_height(itemsize: int) -> int:
    """Rows of results that a minimum makes together.

    Fewer of large pixels: rows wait in the nearest caches (measured: 4K in float32 takes 5 to 20 % longer with eight).
    """
    return 8 if target().tile == 8 and itemsize <= 2 else 4


def kernel(*key: str) -> int:
    """Address of the band function that `key` names: its module, then options (see `compile`)."""
    at = *key, target()
    address = _addresses.get(at)
    if address is None:
        with lock:
            address = _addresses.get(at)
            if address is None:
                address = _load(key) or _compile(key)
                _addresses[at] = address
    return address


def is_cached(*key: str) -> bool:
    """Whether a kernel can be had without compiling it; if so, it is loaded."""
    at = *key, target()
    with lock:
        address = _addresses.get(at) or _load(key)
        if address is not None:
            _addresses[at] = address
    return address is not None


def kept_in() -> Path | None:
    """The folder in which the next process finds what this one compiles."""
    from fastsep._kernels import cache, fingerprint

    return cache.folders().writable if fingerprint.fingerprint(target()) is not None else None


# --- compiling -----------------------------------------------------------------------------------


def _compile(key: tuple[str, ...]) -> int:
    from fastsep._kernels import cache, fingerprint
    from fastsep._kernels.compile import compile_kernel
    from fastsep._kernels.log import log

    start = time.perf_counter()
    made = compile_kernel(key)
    log.debug("compiled %s in %.2f s", " ".join(key), time.perf_counter() - start)
    try:
        cache.write(fingerprint.fingerprint(target()), key, *made)
    except Exception as error:  # a cache that cannot be written is no cache
        log.debug("%s was not cached: %s", " ".join(key), error)
    address = link(*made)
    if address is None:
        raise RuntimeError(f"the kernel {' '.join(key)} cannot be loaded.")
    return address


# --- loading -------------------------------------------------------------------------------------


def _load(key: tuple[str, ...]) -> int | None:
    """Address of a cached kernel, or None whatever the reason."""
    # Imported with the first kernel: paths and hashes would take a quarter of the time that importing a filter takes.
    from fastsep._kernels import cache, fingerprint

    try:
        found = cache.read(fingerprint.fingerprint(target()), key)
        return None if found is None else link(*found)
    except Exception:
        return None

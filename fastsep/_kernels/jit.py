"""How a kernel is compiled, cached and loaded.

A kernel is a serial band function `void(int64 block, int64 band)`: `block` is the address of its
arguments, `band` says which share of the work to do. It takes no Python object, never raises and
never allocates, so its object code needs nothing of Numba at run time. It is stored as plain data
and loaded through llvmlite alone: a warm start does not import Numba, which would cost 0.3 s.

An entry of the cache is a file named by a hash of everything that shapes the code (the sources of
this folder, the versions of Numba, llvmlite and Python, CPU name and features, the kernel's key).
It holds a checksum, that key and the object code. It is written to a temporary file and renamed,
so readers and racing writers see a whole file or none; whatever is wrong with an entry means that
the kernel is compiled again.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import sys
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MAGIC = b"fastsep kernel 1"
#: What a band function looks like from outside: Numba's native calling convention.
BAND = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
_nothing = (ctypes.c_int64 * 2)()
UNUSED = ctypes.addressof(_nothing)  # where a band function leaves its (unused) result

#: Held while a kernel is compiled or loaded, and across a fork.
lock = threading.RLock()
_addresses: dict[tuple[str, ...], int] = {}
_keep: list[object] = []  # owners of loaded code: it must stay as long as the process


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


@cache
def target() -> Target:
    """The CPU found at first use, honouring NUMBA_CPU_NAME and NUMBA_CPU_FEATURES as Numba does."""
    import llvmlite.binding as llvm

    named = os.environ.get("NUMBA_CPU_NAME")
    name = named or llvm.get_host_cpu_name()
    features = os.environ.get("NUMBA_CPU_FEATURES")
    if features is None:
        features = "" if name == "generic" else llvm.get_host_cpu_features().flatten()
    triple = llvm.get_process_triple()
    if not _is_x86(triple):
        # NEON's 32 registers of 16 bytes are used as 16 of 32, in pairs: a tile of four outputs keeps eight sums.
        # Eight outputs of one register each need one more move and as many loads for the same eight multiply-adds, and
        # a block of them would have to be transposed in parts.
        return Target(name, features, 32, 4, triple)
    # A name that was asked for decides, also where the features are still the host's.
    width = _vector_bytes(name if named else "", features)
    # 32 vector registers hold a tile of eight outputs, 16 a tile of four.
    return Target(name, features, width, 8 if width == 64 else 4, triple)


def _is_x86(triple: str) -> bool:
    return triple.startswith(("x86", "i686", "amd64"))


def host_cpu() -> str:
    """LLVM's name of this machine's processor; "generic" if it has none."""
    import llvmlite.binding as llvm

    return str(llvm.get_host_cpu_name())


def _vector_bytes(name: str, features: str) -> int:
    levels = {"x86-64-v4": 64, "x86-64-v3": 32, "x86-64-v2": 16, "x86-64": 16, "generic": 16}
    if name in levels:
        return levels[name]
    has = set(features.split(","))
    if {"+avx512f", "+avx512bw", "+avx512dq", "+avx512vl"} <= has:
        return 64
    return 32 if {"+avx2", "+fma"} <= has else 16


def sweep_height(exact: bool = False) -> int:
    """Rows of a strip that sweeps along the columns, with vectors of each row in registers.

    In SciPy's order of operations more of them are alive at a time.
    """
    return (4 if exact else 6) if target().tile == 8 else 2


def dense_height() -> int:
    """Rows that a tile of dense correlation computes together: as many sums and rows of input in registers."""
    return 8 if target().tile == 8 else 6


def kernel(*key: str) -> int:
    """Address of the band function that `key` names: a module of this folder, then its options."""
    address = _addresses.get(key)
    if address is None:
        with lock:
            address = _addresses.get(key)
            if address is None:
                address = _load(key) or _compile(key)
                _addresses[key] = address
    return address


# --- compiling -----------------------------------------------------------------------------------


def _compile(key: tuple[str, ...]) -> int:
    from importlib import import_module

    from numba import config, njit

    build = import_module(f"fastsep._kernels.{key[0]}").build
    # NUMBA_DISABLE_JIT is for debugging one's own functions; a kernel does not run uncompiled.
    disabled, config.DISABLE_JIT = config.DISABLE_JIT, 0
    try:
        compiled = njit(
            "void(int64, int64)",
            nogil=True,
            error_model="numpy",
            # The Python and C entry points would tie the object code to Numba's run time.
            no_cpython_wrapper=True,
            no_cfunc_wrapper=True,
        )(build(*key[1:]))
    finally:
        config.DISABLE_JIT = disabled
    (result,) = compiled.overloads.values()
    name = result.fndesc.llvm_func_name
    _keep.append(compiled)
    with contextlib.suppress(Exception):  # a cache that cannot be written is no cache
        _write(_entry(key), key, name, bytes(result.library._get_compiled_object()))
    return int(result.library.get_pointer_to_function(name))


# --- the cache -----------------------------------------------------------------------------------


@cache
def _fingerprint() -> str:
    """A hash of everything but the key that shapes the object code."""
    from importlib.metadata import version

    seen = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        seen.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    cpu = target()
    facts = (version("numba"), version("llvmlite"), sys.version, cpu.name, cpu.features)
    options = sorted(v for v in os.environ.items() if v[0].startswith("NUMBA_OPT"))
    seen.update(repr((facts, options, cpu)).encode())
    return seen.hexdigest()


@cache
def cache_folder() -> Path | None:
    """Where kernels are kept: FASTSEP_CACHE_DIR, else beside the sources, else the user's cache.

    A folder that exists but cannot be written is still read. None: there is none.
    """
    named = os.environ.get("FASTSEP_CACHE_DIR")
    user = os.environ.get("XDG_CACHE_HOME")
    candidates = [
        Path(named) if named else None,
        Path(__file__).parent / "__pycache__" / "kernels",
        Path(user) / "fastsep" if user else None,
        Path("~/.cache/fastsep").expanduser(),
    ]
    for folder in candidates:
        if folder is not None:
            with contextlib.suppress(OSError):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                if _trusted(folder):
                    return folder
    return None


def cache_writable() -> bool:
    """Whether compiled kernels can be kept for the next process."""
    folder = cache_folder()
    return folder is not None and os.access(folder, os.W_OK)


def _trusted(path: Path) -> bool:
    """Nobody but root and this user can have put machine code there."""
    if not hasattr(os, "getuid"):
        return True
    found = path.stat()
    return found.st_uid in (0, os.getuid()) and not found.st_mode & 0o022


def _entry(key: tuple[str, ...]) -> Path | None:
    folder = cache_folder()
    if folder is None:
        return None
    name = hashlib.sha256(repr((_fingerprint(), key)).encode()).hexdigest()
    return folder / f"{key[0]}-{name[:40]}.kernel"


def _write(path: Path | None, key: tuple[str, ...], name: str, code: bytes) -> None:
    if path is None:
        return
    body = repr(key).encode() + b"\n" + name.encode() + b"\n" + code
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(MAGIC + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _read(path: Path | None, key: tuple[str, ...]) -> tuple[str, bytes] | None:
    if path is None or not path.is_file() or not _trusted(path):
        return None
    magic, checksum, body = path.read_bytes().split(b"\n", 2)
    if magic != MAGIC or hashlib.sha256(body).hexdigest().encode() != checksum:
        return None
    stored, name, code = body.split(b"\n", 2)
    return (name.decode(), code) if stored == repr(key).encode() else None


def _load(key: tuple[str, ...]) -> int | None:
    """Address of a cached kernel, or None whatever the reason."""
    try:
        found = _read(_entry(key), key)
        return None if found is None else _link(*found)
    except Exception:
        return None


def _link(name: str, code: bytes) -> int | None:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = int(engine.get_function_address(name)) or None
    # Code is never freed: threads may run it to the end of the process, where llvmlite cannot free it without errors.
    engine.detach()
    return address

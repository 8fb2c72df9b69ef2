"""What the object code of every kernel depends on: the code of this folder, the versions of the compiler, the CPU.

The code is read wherever it is: from the files beside this one, sources or compiled, or from the loader where there are
none (a zip archive, a frozen application). Where neither shows it, there is no fingerprint and nothing is cached: an
upgrade would go unnoticed. Nothing is imported, since the modules of kernels import Numba.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec, source_hash
from types import CodeType
from typing import Any

HERE = os.path.dirname(__file__)
#: Settings of Numba's that change the code it makes.
SETTINGS = ("NUMBA_OPT", "NUMBA_LOOP_VECTORIZE", "NUMBA_SLP_VECTORIZE", "NUMBA_ENABLE_AVX", "NUMBA_BOUNDSCHECK",
            "NUMBA_DEBUGINFO")  # fmt: skip


def digest(content: bytes) -> str:
    """A hash of 64 bits, by which Python knows the sources of compiled modules, too.

    Nobody has to be kept from making two contents of the same hash: who could put one in the other's place may write
    to the cache. To import hashlib takes 2.5 ms, a twentieth of a warm start, and its hashes three times as long.
    """
    return source_hash(content).hex()


@cache
def fingerprint(cpu: object) -> str | None:
    """A hash of everything but its key that shapes a kernel compiled for `cpu`; None: it cannot be known."""
    try:
        facts = (code_of_kernels(), _version("numba"), _version("llvmlite"), sys.version)
    except Exception:  # a loader may raise anything
        return None
    settings = sorted(item for item in os.environ.items() if item[0].startswith(SETTINGS))
    return digest(repr((facts, settings, cpu)).encode())


def _version(package: str) -> str:
    """The version that is installed, as the folder says that installers leave beside the package."""
    with contextlib.suppress(OSError, ValueError):  # the package is in an archive, or was not imported from anywhere
        found = find_spec(package)
        if found is not None and found.origin is not None:
            names = os.listdir(os.path.dirname(os.path.dirname(found.origin)))
            start, end = f"{package}-", ".dist-info"
            versions = [name[len(start) : -len(end)] for name in names if name.startswith(start) and name.endswith(end)]
            if len(versions) == 1:
                return versions[0]
    # Elsewhere in an editable installation, or several after an upgrade that failed.
    from importlib.metadata import version  # 11 ms, a tenth of a warm start

    return version(package)


def code_of_kernels() -> str:
    """A hash of the code of this package and its sub-packages. Raises where the code is not shown."""
    # A file of its own is the sign that the others are there, too: half a millisecond for 36 of them.
    found = _files(HERE) if os.path.isfile(__file__) else _loaded(HERE, __spec__.parent)
    return digest(b"".join(f"{name}\0{len(content)}\0".encode() + content for name, content in found))


def _files(folder: str) -> Iterator[tuple[str, bytes]]:
    """The modules below a folder, sources or compiled, in a fixed order."""
    found = []
    for parent, below, names in os.walk(folder):
        below[:] = [name for name in below if name != "__pycache__"]
        found += [os.path.join(parent, name) for name in names if name.endswith((".py", ".pyc"))]
    if not found:
        raise ImportError(f"no module in {folder} can be read")  # they are compiled to C, for instance
    for path in sorted(found):
        with open(path, "rb") as file:
            yield os.path.relpath(path, folder), file.read()


def _loaded(folder: str, package: str) -> Iterator[tuple[str, bytes]]:
    """The modules of a package as its loader has them."""
    for name, finder in modules(folder, package):
        yield name, _module(finder.find_spec(name))


def modules(folder: str, package: str) -> Iterator[tuple[str, Any]]:
    """Full names of the modules in a package's folder and below, with their finders, in a fixed order."""
    import pkgutil  # a millisecond, and at a warm start there are files

    for finder, name, is_package in pkgutil.iter_modules([folder], package + "."):
        yield name, finder
        if is_package:
            yield from modules(os.path.join(folder, name.rpartition(".")[2]), name)


def _module(spec: Any) -> bytes:
    with contextlib.suppress(AttributeError, OSError):  # a frozen module has no file
        return bytes(spec.loader.get_data(spec.origin))
    code = spec.loader.get_code(spec.name)
    if code is None:
        raise ImportError(f"the code of {spec.name} cannot be read")
    return _words(code).encode()


def _words(value: object) -> str:
    """What a code object does, in words that are the same in every process; bytes of `marshal` are not."""
    if isinstance(value, CodeType):
        parts = (
            value.co_name, value.co_code, value.co_exceptiontable, value.co_flags, value.co_names, value.co_varnames,
            value.co_cellvars, value.co_freevars, value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount,
        )  # fmt: skip
        return repr(parts) + _words(value.co_consts)
    if isinstance(value, tuple):
        return f"({','.join(map(_words, value))})"
    if isinstance(value, frozenset):
        return f"{{{','.join(sorted(map(_words, value)))}}}"
    return repr(value)

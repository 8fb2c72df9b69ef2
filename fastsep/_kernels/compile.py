"""Compiling a kernel: the one step on its way that needs Numba, so this module is imported where one is missing."""

from __future__ import annotations

import logging
import threading
from importlib import import_module
from typing import Any, NamedTuple

from numba import config, njit

log = logging.getLogger("fastsep")


class Compiled(NamedTuple):
    owner: Any  # the code stays as long as this does
    name: str
    library: Any
    address: int

    def code(self) -> bytes:
        """The object file."""
        return bytes(self.library._get_compiled_object())


def compile_kernel(key: tuple[str, ...]) -> Compiled:
    """The band function that `key` names: a module of this folder, then its options."""
    build = import_module(f"fastsep._kernels.{key[0]}").build
    # NUMBA_DISABLE_JIT is for debugging one's own functions; a kernel does not run uncompiled.
    disabled, config.DISABLE_JIT = config.DISABLE_JIT, 0
    try:
        with _silence:
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
    return Compiled(compiled, name, result.library, int(result.library.get_pointer_to_function(name)))


class _Silence(logging.Filter):
    """Keeps what Numba's compiler says of our kernels from the program's log: at level debug, 50,000 lines for each.

    It drops what is below a warning, and only in a thread that compiles a kernel: what Numba says elsewhere of the
    program's own functions goes on, and no level is changed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.local()

    def __enter__(self) -> None:
        for name in list(logging.root.manager.loggerDict):
            if name.startswith("numba."):
                logging.getLogger(name).addFilter(self)  # once: a filter is not added again
        self.thread.compiles = True

    def __exit__(self, *error: object) -> None:
        self.thread.compiles = False

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING or not getattr(self.thread, "compiles", False)


_silence = _Silence()

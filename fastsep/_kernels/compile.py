"""Compiling a kernel: the one step on its way that needs Numba, so this module is imported where one is missing."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from numba import config, njit

from fastsep._kernels import jit
from fastsep._kernels.internals import ObjectFile, object_file
from fastsep._kernels.log import silence
from fastsep._kernels.simd import records

#: Where the modules of band functions are. No two of them have the same name.
FOLDERS = ("filters", "layers", "pool")


def builder(name: str) -> Callable[..., Any]:
    """What makes the band functions of the module `name`, whose records kernels may use from then on."""
    paths = [f"fastsep._kernels.{folder}.{name}" for folder in FOLDERS]
    (path,) = (path for path in paths if find_spec(path) is not None)
    build = import_module(path).build
    records.declare_all()
    return build  # type: ignore[no-any-return]


def compile_kernel(key: tuple[str, ...]) -> ObjectFile:
    """The band function that `key` names: its module, then options."""
    build = builder(key[0])
    # The Python and C entry points would tie the object code to Numba's run time.
    compiled = njit(
        "void(int64, int64)", nogil=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
    )  # fmt: skip
    cpu = None if jit.instead is None else (jit.instead.name, jit.instead.features)
    # NUMBA_DISABLE_JIT is for debugging one's own functions; a kernel does not run uncompiled.
    disabled, config.DISABLE_JIT = config.DISABLE_JIT, 0
    try:
        with silence:
            return object_file(lambda: compiled(build(*key[1:])), cpu)
    finally:
        config.DISABLE_JIT = disabled

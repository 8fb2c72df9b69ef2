"""What one core needs at least: np.copyto of as many bytes, and as many multiply-adds in registers."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache, partial

import llvmlite.binding as llvm
import numpy as np

from benchmarks._timing import Call
from fastsep._kernels import jit


def copy(size: int) -> Call:
    """A call that reads and writes `size` bytes in all."""
    # Written to, so that every page exists and is another one.
    source, target = (np.full(max(1, size // 2), value, np.uint8) for value in (0, 1))
    return partial(np.copyto, target, source)


def arithmetic(count: int, dtype: str) -> Call:
    """A call that does `count` multiply-adds."""
    run, each = _chains()
    if dtype == "float64":
        each //= 2  # as many vectors, of half as many lanes
    return partial(run, max(1, round(count / each)))


@cache
def _chains() -> tuple[Callable[[int], None], int]:
    """A loop over independent chains x = x * 0.5 + 1 in registers, and its multiply-adds a turn."""
    target = jit.target()
    # As many chains as hide the latency of each, and leave two of the registers to the constants.
    numbers, lanes = range(16 if target.tile == 8 else 12), target.vector_bytes // 4
    vector, half, one = f"<{lanes} x float>", *(f"<{', '.join([f'float {c}'] * lanes)}>" for c in ("0.5", "1.0"))
    fmuladd = f"{vector} @llvm.fmuladd.v{lanes}f32"
    lines = "\n".join
    module = llvm.parse_assembly(f"""
        declare {fmuladd}({vector}, {vector}, {vector})
        define void @chains(i64 %turns) {{
        entry:
            %out = alloca {vector}, align 64
            br label %loop
        loop:
            %i = phi i64 [0, %entry], [%next, %loop]
            {lines(f"%x{k} = phi {vector} [{one}, %entry], [%y{k}, %loop]" for k in numbers)}
            {lines(f"%y{k} = call {fmuladd}({vector} %x{k}, {vector} {half}, {vector} {one})" for k in numbers)}
            %next = add i64 %i, 1
            %more = icmp slt i64 %next, %turns
            br i1 %more, label %loop, label %exit
        exit:
            {lines(f"store volatile {vector} %y{k}, ptr %out" for k in numbers)} ; so that nothing is dropped
            ret void
        }}
    """)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(target.name, target.features, opt=2)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    call = ctypes.CFUNCTYPE(None, ctypes.c_int64)(engine.get_function_address("chains"))

    def run(turns: int) -> None:
        call(turns)
        assert engine is not None  # it owns the code: the closure keeps both

    return run, len(numbers) * lanes

"""What the machine needs at least: np.copyto of as many bytes, and as many multiply-adds in registers."""

from __future__ import annotations

from benchmarks._timing import Call

# isort: split

import ctypes
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import llvmlite.binding as llvm
import numpy as np

from fastsep._kernels import jit

LEAST = 1e-3  # seconds in one call of a limit for several threads, so that starting them does not show


def copy(size: int, threads: int) -> tuple[Call, float]:
    """A call that reads and writes `size` bytes in all, some times over, and one over how many times."""
    half = max(1, size // 2)
    # Written to, so that every page exists and is another one.
    source, target = np.full(half, 1, np.uint8), np.full(half, 0, np.uint8)
    cuts = [half * k // threads for k in range(threads + 1)]
    parts = [(target[start:stop], source[start:stop]) for start, stop in itertools.pairwise(cuts)]
    times = 1 if threads == 1 else max(1, round(LEAST * 20e9 / size))

    def part(number: int) -> None:
        for _ in range(times):
            np.copyto(*parts[number])

    return _together(part, threads), 1 / times


def arithmetic(count: int, dtype: str, threads: int) -> tuple[Call, float]:
    """A call that does `count` multiply-adds, some times over, and one over how many times."""
    run, each = _chains()
    if dtype == "float64":
        each //= 2  # as many vectors, of half as many lanes
    turns = max(1, round(count / (each * threads)))
    times = 1 if threads == 1 else max(1, round(LEAST * 100e9 / count))
    return _together(lambda number: run(turns * times), threads), 1 / times


def _together(part: Callable[[int], None], threads: int) -> Call:
    if threads == 1:
        return lambda: part(0)
    pool = _pool(threads)

    def call() -> None:
        rest = [pool.submit(part, number) for number in range(1, threads)]
        part(0)
        for other in rest:
            other.result()

    return call


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads - 1)


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

"""How the tables are timed: contenders that take turns in one process, and what a core can do at most."""

from __future__ import annotations

import os

# Waiting threads are to give way soon, or they spin on the core that the next contender needs.
ENVIRONMENT = {"GOMP_SPINCOUNT": "10000"}
for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)  # before OpenMP reads it

import ctypes
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from fastsep._kernels import jit

Array = np.ndarray[Any, Any]
Call = Callable[[], Any]  # runs once and returns its result
Samples = list[list[float]]  # seconds per call, of each contender

WARM_UP = 0.060  # seconds: a core that slept wakes too slowly for a short measurement
BURST = 0.060  # seconds of samples in one turn
SAMPLE = 0.001  # seconds in one sample at least: short calls are timed in groups


def turn(call: Call, each: float | None = None) -> list[float]:
    """Seconds per call: one contender's samples in one round. `each`: about what a call takes, if known."""
    if each is None or each < 5 * WARM_UP:  # a longer call is awake by itself for most of its time
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < WARM_UP:
            call()
            count += 1
        each = (time.perf_counter() - start) / count
    group = max(1, round(SAMPLE / each))
    samples = []
    for _ in range(max(1, round(BURST / (group * each)))):
        start = time.perf_counter()
        for _ in range(group):
            call()
        samples.append((time.perf_counter() - start) / group)
    return samples


def measure(calls: Sequence[Call], rounds: int, before: Callable[[int], object] = lambda number: None) -> Samples:
    """Samples of each call, which take turns; `before` is told the number of the call whose turn begins."""
    samples: Samples = [[] for _ in calls]
    for _ in range(rounds):
        for number, (call, kept) in enumerate(zip(calls, samples, strict=True)):
            before(number)
            kept += turn(call, min(kept, default=None))
    return samples


def others() -> float:
    """Seconds of CPU that other processes have used so far; 0 where the system does not tell (Linux does)."""
    try:
        line = pathlib.Path("/proc/stat").read_text().split(maxsplit=9)
    except OSError:
        return 0.0
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, line[1:9])
    busy = user + nice + system + irq + softirq + steal
    return float(busy / os.sysconf("SC_CLK_TCK") - time.process_time())


def multiply_adds(chains: int, vector: int) -> Callable[[int], None]:
    """A loop over independent chains x = x * 0.5 + 1 in registers, compiled for this CPU."""
    kind = f"<{vector} x float>"
    half, one = (f"<{', '.join([f'float {value}'] * vector)}>" for value in ("0.5", "1.0"))
    numbers = range(chains)
    starts = [f"%x{k} = phi {kind} [{one}, %entry], [%y{k}, %loop]" for k in numbers]
    steps = [
        f"%y{k} = call {kind} @llvm.fmuladd.v{vector}f32({kind} %x{k}, {kind} {half}, {kind} {one})" for k in numbers
    ]
    stores = [f"store volatile {kind} %y{k}, ptr %out" for k in numbers]  # so that nothing is dropped
    lines = "\n".join
    module = llvm.parse_assembly(f"""
        declare {kind} @llvm.fmuladd.v{vector}f32({kind}, {kind}, {kind})
        define void @chains(i64 %turns) {{
        entry:
            %out = alloca {kind}, align 64
            br label %loop
        loop:
            %i = phi i64 [0, %entry], [%next, %loop]
            {lines(starts)}
            {lines(steps)}
            %next = add i64 %i, 1
            %more = icmp slt i64 %next, %turns
            br i1 %more, label %loop, label %exit
        exit:
            {lines(stores)}
            ret void
        }}
    """)
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = jit.target()
    machine = llvm.Target.from_default_triple().create_target_machine(target.name, target.features, opt=2)
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    call = ctypes.CFUNCTYPE(None, ctypes.c_int64)(engine.get_function_address("chains"))

    def run(turns: int) -> None:
        call(turns)
        assert engine is not None  # it owns the code: the closure keeps both

    return run

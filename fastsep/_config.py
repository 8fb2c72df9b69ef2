"""What fastsep found on this machine, and compiling ahead of the first call."""

from __future__ import annotations

import importlib.metadata
import pathlib
import platform
import subprocess
import time
from collections.abc import Callable

import fastsep

# Versions come from the installed metadata: importing Numba would cost more than the report.
_PACKAGES = ("numpy", "numba", "llvmlite", "scipy")


class Config(dict[str, str]):
    """What `show_config` found: a dict whose printed form is a table."""

    def __repr__(self) -> str:
        width = max(map(len, self))
        return "\n".join(f"{name:{width}}  {value}" for name, value in self.items())

    __str__ = __repr__


def show_config() -> Config:
    """Versions, CPU, SIMD width, threads, and where compiled code is kept.

    The result is a dict of strings and prints as a table. Numba is not imported for it.

    >>> print(fastsep.show_config())  # doctest: +SKIP
    """
    from fastsep import _run
    from fastsep._kernels import jit

    target = jit.target()
    bits = 8 * target.register_bytes
    report = Config(fastsep=fastsep.__version__, python=platform.python_version())
    report.update((name, _version(name)) for name in _PACKAGES)
    report["cpu"] = f"{_cpu()} ({platform.machine()}, compiled for {target.name})"
    report["simd"] = f"{bits} bits: {bits // 32} float32 or {bits // 64} float64 at once"
    report["threads"] = str(_run.get_num_threads())
    report["cache"] = _cache(jit.cache_folder())
    return report


def warmup(progress: Callable[[int, int, str], object] | None = None) -> float:
    """Compile the kernels of common dtypes and sizes, or load them from the cache, and return the seconds that took.

    `progress(done, total, label)` is called before each kernel, and at the end with done == total.
    """
    from fastsep import _layer, _run
    from fastsep._kernels import jit

    start = time.perf_counter()
    keys = [*_run.warmup_keys(), *_layer.warmup_keys()]
    for done, key in enumerate(keys):
        if progress is not None:
            progress(done, len(keys), " ".join(key))
        jit.kernel(*key)
    if progress is not None:
        progress(len(keys), len(keys), "done")
    return time.perf_counter() - start


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def cache_usable() -> bool:
    """Whether what this process compiles is kept for the next."""
    from fastsep._kernels import jit

    return bool(jit.cache_folder() is not None and jit.cache_writable())


def _cache(folder: pathlib.Path | None) -> str:
    if folder is None:
        return "none (no folder is usable: every process compiles again)"
    if cache_usable():
        return f"{folder} (usable)"
    return f"{folder} (read-only: used, but nothing is added to it)"


#: Makers of ARM processors by the number that /proc/cpuinfo gives: those that servers and computers have.
_MAKERS = {
    0x41: "Arm", 0x42: "Broadcom", 0x43: "Cavium", 0x46: "Fujitsu", 0x48: "HiSilicon", 0x4E: "NVIDIA", 0x50: "APM",
    0x51: "Qualcomm", 0x53: "Samsung", 0x56: "Marvell", 0x61: "Apple", 0x6D: "Microsoft", 0xC0: "Ampere",
}  # fmt: skip


def _cpu() -> str:
    """The maker's name of the processor: `platform.processor` knows it on Windows only."""
    name = None
    try:
        if platform.system() == "Linux":
            name = _named_in(pathlib.Path("/proc/cpuinfo").read_text())
        elif platform.system() == "Darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        pass  # a sandbox may hide either source; the report goes on without the name
    return name or platform.processor() or "unknown processor"


def _named_in(cpuinfo: str) -> str | None:
    """The processor by Linux's description. Of ARM servers there is no name in it, but numbers of maker and model."""
    from fastsep._kernels import jit

    facts: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if value:
            facts.setdefault(key, value)
    for key in ("model name", "Model", "Hardware"):
        if key in facts:
            return facts[key]
    try:
        maker, part = int(facts["CPU implementer"], 16), int(facts["CPU part"], 16)
    except (KeyError, ValueError):
        return None
    model = jit.host_cpu()
    return f"{_MAKERS.get(maker, f'maker {maker:#x}')} {f'part {part:#x}' if model == 'generic' else model}"

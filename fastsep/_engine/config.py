"""What fastsep found on this machine."""

from __future__ import annotations

import importlib.metadata
import pathlib
import platform
import subprocess

import fastsep

# Versions come from the installed metadata: importing Numba would cost more than the report.
PACKAGES = ("numpy", "numba", "llvmlite", "scipy")
READ_ONLY = "read-only: used, but nothing is added to it"


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
    from fastsep._engine import bands
    from fastsep._kernels import jit

    target = jit.target()
    bits = 8 * target.register_bytes
    report = Config(fastsep=fastsep.__version__, python=platform.python_version())
    report.update((name, _version(name)) for name in PACKAGES)
    report["cpu"] = f"{_cpu()} ({platform.machine()}, compiled for {target.name})"
    report["simd"] = f"{bits} bits: {bits // 32} float32 or {bits // 64} float64 at once"
    report["threads"] = str(bands.get_num_threads())
    report["cache"] = cache_folders()
    return report


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def cache_usable() -> bool:
    """Whether what this process compiles is kept for the next."""
    from fastsep._kernels import jit

    return jit.kept_in() is not None


def cache_folders() -> str:
    """Where compiled kernels are kept, and why not where FASTSEP_CACHE_DIR says."""
    from fastsep._kernels import cache, fingerprint, jit

    folders = cache.folders()
    if fingerprint.fingerprint(jit.target()) is None:
        line = "none (code or versions of what compiles cannot be read, so an upgrade would go unnoticed)"
    elif not folders.used:
        line = "none (no folder is usable: every process compiles again)"
    else:
        line = ", ".join(f"{path} ({'usable' if writable else READ_ONLY})" for path, writable in folders.used)
    return f"{line}; {folders.refused}" if folders.refused else line


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

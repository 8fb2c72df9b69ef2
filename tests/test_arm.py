"""Promise: portable. What becomes of kernels on ARM, by their machine code: it is compiled here, and not run."""

import re

import llvmlite.binding as llvm
import numba
import pytest

from fastsep._engine import config
from fastsep._kernels import internals, jit
from fastsep._kernels.compile import builder

TRIPLE = "aarch64-unknown-linux-gnu"
LOOP = re.compile(r"^(\.LBB\w+):\n((?:(?!\.LBB).*\n)*?.*\sb\S*\s.*\1$)", re.MULTILINE)
# For each multiply-add, by kernel.
MOST_LOADS = {
    ("fir", "plane", "float32", "float32", "float32"): 5 / 8,
    ("fir", "plane", "float64", "float64", "float64"): 5 / 8,
    ("dense", "sums", "float32", "float32", "float32"): 3 / 12,
    ("dense", "differences", "float32", "float32", "float32"): 3 / 8,
    ("gemm", "blocks", "2", "float32"): 7 / 12,
}
SUMS = 8  # that have to be under way at once: two pipelines, and a multiply-add takes four cycles


def inner_loops(assembly):
    """Instructions of each innermost loop that multiplies and adds."""
    for _, body in LOOP.findall(assembly):
        lines = [line.strip() for line in body.splitlines() if re.match(r"\s+[a-z]", line)]
        if any(line.startswith("fmla") for line in lines):
            yield lines


@pytest.fixture(scope="module")
def machine():
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    try:
        return llvm.Target.from_triple(TRIPLE).create_target_machine(cpu="neoverse-n1", opt=3)
    except RuntimeError:
        pytest.skip("this llvmlite does not compile for ARM")


@pytest.mark.slow
@pytest.mark.parametrize("key", MOST_LOADS, ids=" ".join)
def test_a_tile_keeps_eight_sums_in_registers(key, machine, monkeypatch):
    monkeypatch.setattr(jit, "instead", jit.Target("generic", "", 32, 4, TRIPLE))
    loops = list(inner_loops(assembly(key, machine)))
    assert loops
    for lines in loops:
        multiplied = sum(line.startswith("fmla") for line in lines)
        loaded = sum(line.startswith("ld") for line in lines)
        assert multiplied >= SUMS, lines
        assert loaded <= MOST_LOADS[key] * multiplied, lines
        assert not any("[sp" in line for line in lines), lines


def assembly(key, machine):
    """The machine code of a kernel as Numba optimises it where it knows nothing of the CPU."""
    with internals.compiling_for("generic", ""):
        build = builder(key[0])
        compiled = numba.njit(
            "void(int64, int64)", error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
        )(build(*key[1:]))  # fmt: skip
    (result,) = compiled.overloads.values()
    code = result.library.get_llvm_str()
    code = re.sub(r"^target datalayout = .*$", f'target datalayout = "{machine.target_data}"', code, flags=re.MULTILINE)
    code = re.sub(r"^target triple = .*$", f'target triple = "{TRIPLE}"', code, flags=re.MULTILINE)
    return machine.emit_assembly(llvm.parse_assembly(code))


# ---- the name of the processor

SERVER = """processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1
"""


@pytest.mark.parametrize(
    ("cpuinfo", "llvm_name", "expected"),
    [
        (SERVER, "neoverse-n1", "Arm neoverse-n1"),
        (SERVER.replace("0x41", "0xc0").replace("0xd0c", "0xac3"), "ampere1", "Ampere ampere1"),
        (SERVER.replace("0xd0c", "0xfff"), "generic", "Arm part 0xfff"),
        (SERVER.replace("0x41", "0xee"), "generic", "maker 0xee part 0xd0c"),
        (SERVER + "\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n", "cortex-a72", "Raspberry Pi 4 Model B Rev 1.4"),
        ("processor\t: 0\nmodel name\t: AMD EPYC 9R14\ncpu MHz\t: 3700\n", "znver4", "AMD EPYC 9R14"),
        ("model name\t: \nmodel name\t: second\n", "generic", "second"),
        (SERVER.replace("0x41", "none"), "generic", None),
        ("", "generic", None),
    ],
)
def test_the_processor_has_a_name_on_linux(cpuinfo, llvm_name, expected, monkeypatch):
    monkeypatch.setattr(jit, "host_cpu", lambda: llvm_name)
    assert config._named_in(cpuinfo) == expected


@pytest.mark.parametrize(
    ("triple", "name", "vector_bytes", "register_bytes"),
    [
        (TRIPLE, "neoverse-n1", 32, 16),
        ("arm64-apple-darwin23.0.0", "generic", 32, 16),
        ("x86_64-unknown-linux-gnu", "x86-64-v4", 64, 64),
        ("x86_64-unknown-linux-gnu", "x86-64-v3", 32, 32),
        ("x86_64-unknown-linux-gnu", "generic", 16, 16),
    ],
)
def test_two_registers_make_a_vector_on_arm(triple, name, vector_bytes, register_bytes, monkeypatch):
    monkeypatch.setattr(llvm, "get_process_triple", lambda: triple)
    monkeypatch.setenv("NUMBA_CPU_NAME", name)
    found = jit.own_target.__wrapped__()
    assert (found.vector_bytes, found.register_bytes) == (vector_bytes, register_bytes)

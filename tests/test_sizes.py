"""Promise: portable, and right at every size, with nothing read or written outside the arrays.

Every shape from 1 x 1 to 40 x 40 against the oracle, modes and dtypes rotating, for this CPU and,
as a script in a process of its own, for x86-64-v3 and x86-64-v2. The same shapes between pages that
may not be touched, where one wrong address ends the process.
"""

import ctypes
import ctypes.util
import mmap
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as a script there is no conftest

from helpers import CASES, MODES, forget, make_image
from reference import assert_close

from fastsep import _block, _run
from fastsep._kernels import jit

PLANES = [(h, w) for h in range(1, 41) for w in range(1, 41)]
VOLUMES = [(d, h, w) for d in (1, 2, 3, 9) for h in (1, 2, 7, 17) for w in (1, 3, 8, 15, 16, 33)]
FOUR = [(a, d, h, w) for a in (1, 4) for d in (1, 3) for h in (1, 6) for w in (1, 5, 20)]
SHAPES = {2: PLANES, 3: VOLUMES, 4: FOUR}


def inputs(case, index, shape, rng):
    """Image, dtype of the result, modes and cval number `index` of a case."""
    src, dst = case.dtypes[index % len(case.dtypes)]
    image = make_image(rng, src, case.shape(*shape))
    floats = {image.dtype.kind, np.dtype(dst).kind} == {"f"}
    if floats and index % 7 == 3:
        image.flat[index % image.size] = np.nan
    if floats and index % 7 == 5:
        image.flat[index % image.size] = np.inf
    # 5 and 7 have no factor in common with each other, nor with the number of dtypes.
    modes = tuple(MODES[index // (1, 5, 7, 3)[axis] % 5] for axis in range(case.ndim))
    return image, dst, modes, float(index % 3 == 1)


def check(name, every=1):
    """Compare a case with the oracle at all its shapes, or at every so-manieth."""
    case = CASES[name]
    rng = np.random.default_rng(2024)
    for index, shape in enumerate(SHAPES[case.ndim]):
        if index % every:
            continue
        image, dst, modes, cval = inputs(case, index, shape, rng)
        before = image.copy()
        result = case.call(image, dtype=dst, mode=modes, cval=cval)
        assert result.dtype == dst
        expected, largest = case.expected(image, dst, modes, cval)
        try:
            assert_close(result, expected, largest)
        except AssertionError as error:
            raise AssertionError(f"{name} {image.dtype} {shape} {modes} cval={cval}: {error}") from None
        np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", CASES)
def test_every_shape(name):
    check(name)


# ---- other CPUs


def run_script(*arguments, **environment):
    variables = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    variables.update(environment)
    return subprocess.Popen(
        [sys.executable, __file__, *arguments],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process, limit=600):
    try:
        output, _ = process.communicate(timeout=limit)
    finally:
        process.kill()
    return process.returncode, output


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="levels of x86")
def test_every_shape_for_smaller_vectors(tmp_path):
    # Features have to be named too: without them Numba keeps those of this CPU.
    processes = {
        level: run_script(
            "levels", NUMBA_CPU_NAME=level, NUMBA_CPU_FEATURES="", FASTSEP_CACHE_DIR=str(tmp_path / level)
        )
        for level in ("x86-64-v3", "x86-64-v2")
    }
    results = {level: finish(process) for level, process in processes.items()}
    for level, (status, output) in results.items():
        assert status == 0, f"{level}\n{output}"
    assert "vector_bytes=32" in results["x86-64-v3"][1]
    assert "vector_bytes=16" in results["x86-64-v2"][1]


# ---- addresses


class Guarded:
    """Memory between two pages that may not be touched."""

    page = mmap.PAGESIZE

    def __init__(self, most):
        self.size = -(-most // self.page) * self.page
        self.map = mmap.mmap(-1, self.size + 2 * self.page)
        self.bytes = np.frombuffer(self.map, np.uint8)
        libc = ctypes.CDLL(None, use_errno=True)
        for offset in (0, self.page + self.size):
            if libc.mprotect(ctypes.c_void_p(self.bytes.ctypes.data + offset), ctypes.c_size_t(self.page), 0):
                raise OSError(ctypes.get_errno(), "mprotect")

    def array(self, shape, dtype, at_end):
        """An array right behind the first forbidden page or right before the second."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        start = self.page + (self.size - size if at_end else 0)
        return self.bytes[start : start + size].view(dtype).reshape(shape)


class GuardedWorkspace(_run._Workspace):
    """The scratch memory of a call, of exactly its size."""

    def __init__(self, size):
        from fastsep._kernels import blocks as at

        self.size = size
        words = 8 * at.BLOCK_WORDS
        self.memory = Guarded(size + words).array((size + words,), np.uint8, True)
        self.memory[:] = 0xA5  # as float or double a tiny number, as an address nobody's
        self.address = self.memory.ctypes.data
        self.words = self.memory[:words].view(np.int64)
        self.word = memoryview(self.words)
        self.scratch = self.address + words


def guard_scratch_and_taps():
    """Put what the package allocates for kernels next to forbidden pages, too."""
    keep = []

    def address(maker, values):
        copy = Guarded(values.nbytes).array(values.shape, values.dtype, True)
        copy[...] = values
        maker.keep.append(copy)
        keep.append(copy)
        return copy.ctypes.data

    def workspace(size):
        if not spaces or spaces[-1].size != size:
            spaces[:] = [GuardedWorkspace(size)]
        return spaces[-1]

    spaces = []
    _run._workspace = workspace
    _run._give_back = lambda workspace: None
    _block._Maker.address = address
    forget()
    return keep


def check_addresses():
    keep = guard_scratch_and_taps()
    rng = np.random.default_rng(7)
    sources, results = Guarded(1 << 17), Guarded(1 << 17)
    for name, case in CASES.items():
        for index, shape in enumerate(SHAPES[case.ndim]):
            # All shapes take their turn over the cases; small ones come at every case.
            if case.ndim == 2 and max(shape) > 3 and (index + len(name)) % 9:
                continue
            image, dst, modes, cval = inputs(case, index, shape, rng)
            expected = None
            for at_end in (False, True):
                source = sources.array(image.shape, image.dtype, at_end)
                source[...] = image
                out = results.array(image.shape, dst, not at_end if index % 4 == 0 else at_end)
                case.call(source, dtype=dst, mode=modes, cval=cval, out=out, workers=1)
                assert source.tobytes() == image.tobytes(), name
                expected = out.tobytes() if expected is None else expected
                assert out.tobytes() == expected, (name, shape)
            if index % 50 == 0:
                forget()
                keep.clear()
    print("all addresses")


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect as Linux has it")
def test_no_address_outside_the_arrays():
    status, output = finish(run_script("addresses"))
    assert status == 0, f"exit status {status}\n{output}"
    assert "all addresses" in output


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect as Linux has it")
def test_the_forbidden_pages_are_forbidden():
    for offset in ("-1", "1"):
        status, output = finish(run_script("trespass", offset))
        assert status < 0, f"exit status {status}\n{output}"


def trespass(offset):
    memory = Guarded(100).array((100,), np.uint8, offset > 0)
    ctypes.memset(memory.ctypes.data + (99 + offset if offset > 0 else offset), 0, 1)


if __name__ == "__main__":
    print(jit.target())
    if sys.argv[1] == "addresses":
        check_addresses()
    elif sys.argv[1] == "trespass":
        trespass(int(sys.argv[2]))
    else:
        for name in CASES:
            check(name, every=3)

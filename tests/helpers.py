"""What tests share: images, levels of SIMD, refusals, and processes of their own."""

import ctypes
import os
import re
import subprocess
import sys
import threading
from contextlib import nullcontext

import numpy as np
import pytest

import fastsep
from fastsep import _call
from fastsep._call import FilterProgram
from fastsep._engine import execution, memory
from fastsep._engine.levels import for_level
from fastsep._kernels import arguments, jit
from fastsep._ops.choice import CorrelationProgram
from fastsep._plan import tuning

MODES = ("reflect", "constant", "nearest", "mirror", "wrap")
#: Of x86-64: those whose vectors are smaller than the largest there are.
LEVELS = ("x86-64-v3", "x86-64-v2")
UNITS = {"uint8": 255, "int8": 127, "uint16": 65535, "int16": 32767}


def make_image(rng, dtype, shape):
    """Values all over the range that becomes [-1, 1] or [0, 1], both ends included, of a dtype of the engine."""
    if np.dtype(dtype).kind == "f":
        return (rng.random(shape) * 2 - 1).astype(dtype)
    unit = UNITS[dtype]
    low = -unit if np.dtype(dtype).kind == "i" else 0
    image = rng.integers(low, unit, shape, dtype, endpoint=True)
    image.flat[2::7] = unit
    image.flat[4::11] = low
    return image


def noise(rng, dtype, shape=(29, 41)):
    """Values all over the range of any real dtype, both ends of an integer one included; floats in [-1, 1)."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind == "f":
        return (rng.random(shape) * 2 - 1).astype(dtype)
    info = np.iinfo(dtype)
    image = rng.integers(info.min, info.max, shape, dtype.newbyteorder("="), endpoint=True)
    image.flat[::13] = info.min  # which rescaling has to raise
    image.flat[5::11] = info.max
    return image.astype(dtype)


def read_only(array):
    """`array`, which may not be written into from here on."""
    array.flags.writeable = False
    return array


def layouts(image):
    """The same image, laid out in memory in other ways."""
    misaligned = np.empty(image.nbytes + 1, np.uint8)[1:].view(image.dtype).reshape(image.shape)
    misaligned[...] = image
    spread = np.zeros((2 * image.shape[0], 3 * image.shape[1]), image.dtype)[::2, ::3]
    spread[...] = image
    return {
        "read-only": read_only(image.copy()),
        "Fortran": np.asfortranarray(image),
        "strided": spread,
        "reversed": image[::-1, ::-1].copy()[::-1, ::-1],
        "misaligned": misaligned,
        "other byte order": image.astype(image.dtype.newbyteorder()),
        "list": image.tolist() if image.dtype == np.float64 else image,
    }


def kernels_of(case, src, dst, shape):
    """Keys of the kernels that a case runs on; of a filter, its plan's."""
    fastsep.clear_caches()
    asked = []
    load = jit.kernel

    def kernel(*key):
        asked.append(key)
        return load(*key)

    jit.kernel = kernel
    try:
        case.call(np.zeros(shape, src), dtype=dst)
    finally:
        jit.kernel = load
    filters = (call.program for call in _call._calls.values())
    return [
        program.runner.plan.kernel for program in filters if isinstance(program, FilterProgram | CorrelationProgram)
    ] or asked


def quick_call(dtype="float32"):
    """Call a kernel that compiles in a tenth of a second, one for each float dtype; whether it does what it should."""
    images = np.zeros((2, tuning.LOOKED_AT), dtype)
    images[1, -1] = 2
    return [execution.is_within(image, 1.0, 1) for image in images] == [True, False]


def same_bits(one, other):
    """Whether two arrays are the same to the last bit, signs of zeros and NaN included."""
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


def assert_refused(call, exceptions, pattern):
    """The call fails, as every one of the exceptions, with one short line that matches."""
    for exception in exceptions if isinstance(exceptions, tuple) else (exceptions,):
        with pytest.raises(exception) as caught:
            call()
        message = str(caught.value)
        assert re.search(pattern, message), message
        assert "\n" not in message
        assert len(message) < 200


#: Of so few multiply-adds a thread, images of any size are cut into as many bands as there are workers.
NO_WORK = 1e-9


def cut_all_images():
    """For scripts; tests have the fixture `small_images_go_parallel`."""
    tuning.SHARED_WORK = tuning.WOKEN_WORK = tuning.BAND_WORK = NO_WORK


class OneAfterTheOther:
    """In place of the pool: runs the bands of a call in one thread, with the memory of each of its threads in turn."""

    def __init__(self):
        self.lock = threading.Lock()

    def helpers(self, wanted, outlasts):
        return wanted

    def run(self, kernel, block, stride, bands, threads):
        function = jit.BAND(kernel)
        for band in range(bands):
            own = block
            if stride and band % threads:
                own += band % threads * stride
                ctypes.memmove(own, block, memory.BLOCK_BYTES)
                ctypes.c_int64.from_address(own + 8 * arguments.SCRATCH).value = own + memory.BLOCK_BYTES
            function(jit.UNUSED, jit.UNUSED, own, band)


MIB = 1 << 20
# The stacks of the threads, the argument block, scratch in cache, and what the allocator keeps.
SLACK = 24 * MIB

# VmHWM is the largest resident size so far: it is compared with the size after a small call, which
# has compiled the kernels and started the threads.
_PEAK = """
import sys
import numpy as np
import fastsep

def status(name):
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024

shape, dtype, name, options = eval(sys.argv[1]), sys.argv[2], sys.argv[3], eval(sys.argv[4])
run = getattr(fastsep, name)
run(np.ones([min(size, 1024) for size in shape], dtype), **options)
before = status("VmRSS")
image = np.ones(shape, dtype)
image[::2] = 0
result = run(image, **options)
del result
result = run(image, **options)  # the same call again takes a shorter way
results = result if isinstance(result, (tuple, list)) else (result,)
size = sum(each.nbytes for each in results)
print(status("VmHWM") - before - image.nbytes - size, results[0].dtype, float(results[0].flat[5]))
"""


def peak_memory(name, options, shape, dtype, first=""):
    """Bytes alive at most beside image and results, and the results' dtype; after `first` in the same process."""
    command = [sys.executable, "-c", f"{first}\n{_PEAK}", repr(shape), dtype, name, repr(options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    extra, got, _ = done.stdout.split()
    return int(extra), got


def start_script(file, *arguments, **environment):
    """Start a test file as a script; a Numba of this process's settings would not be what is tested."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "OMP_"))}
    variables.update(environment)
    command = [sys.executable, str(file), *arguments]
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def slow(*values):
    """Values of a parameter for slow tests only: what they reach has kernels of its own, or is more of the same."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


#: What minima, maxima and ranks are tested with: each dtype has kernels of its own.
ORDER_DTYPES = (
    "bool", "uint8", "float32",
    *slow("int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float64"),
)  # fmt: skip


def on_level(level):
    """A context in which calls run as on a CPU of a level of x86-64; "native": as on this one."""
    return nullcontext() if level == "native" else for_level(level)


def skip_without(level):
    """Skip a test where this machine cannot run a level."""
    try:
        jit.level_target(level)
    except ValueError as error:
        pytest.skip(str(error))


def finish_script(process, limit=300):
    """Exit status and output of a script; a process that hangs is ended and fails the test."""
    try:
        output, _ = process.communicate(timeout=limit)
    finally:
        process.kill()
    return process.returncode, output


def say(*words):
    """What a script tells the test that started it."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def replace_everywhere(monkeypatch, function, replacement):
    """Let every module of the package that has imported `function` call `replacement`."""
    modules = [module for name, module in sys.modules.items() if name.startswith("fastsep.")]
    for module in modules:
        for name in [name for name, value in vars(module).items() if value is function]:
            monkeypatch.setattr(module, name, replacement)

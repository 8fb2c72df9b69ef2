"""Promises: no second image in memory, kernels that allocate nothing, and an input that is left alone."""

import subprocess
import sys

import numpy as np
import pytest
from helpers import CASES, make_image

import fastsep
from fastsep import correlation, filters

MIB = 1 << 20
# The stacks of the threads, the argument block, scratch in cache, and what the allocator keeps.
SLACK = 24 * MIB

# VmHWM is the largest resident size so far: it is compared with the size after a small call, which
# has compiled the kernel and started the threads.
MEASURE = """
import sys
import numpy as np
import fastsep

def status(name):
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024

side, dtype, name, options = int(sys.argv[1]), sys.argv[2], sys.argv[3], eval(sys.argv[4])
run = getattr(fastsep, name)
run(np.ones((1024, 1024), dtype), **options)
before = status("VmRSS")
image = np.ones((side, side), dtype)
image[::2] = 0
result = run(image, **options)
del result
result = run(image, **options)  # the same call again takes a shorter way
results = result if isinstance(result, tuple) else (result,)
size = sum(each.nbytes for each in results)
print(status("VmHWM") - before - image.nbytes - size, results[0].dtype, float(results[0][5, 5]))
"""


GRADIENT = ("orientation", "magnitude", "dx")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("side", "dtype", "name", "options", "result_dtype", "first"),
    [
        (8192, "float32", "gaussian", {"sigma": 2}, "float32", ""),
        (8192, "float32", "gaussian", {"sigma": 2}, "float32", "import numba"),
        (4096, "uint8", "sobel", {"dtype": "float32"}, "float32", ""),
        (4096, "uint8", "gaussian", {"sigma": 2, "dtype": "uint8"}, "uint8", ""),
        (4096, "float32", "box", {"size": 51}, "float32", ""),
        (4096, "float32", "unsharp_mask", {}, "float32", ""),
        (4096, "float32", "correlate", {"kernel": [[1, 2, 0], [0, 0, 3], [4, 0, 5]]}, "float32", ""),
        (4096, "float32", "correlate", {"kernel": [[1, 2], [3, 4]] * 20, "method": "separable"}, "float32", ""),
        (4096, "float32", "correlate", {"kernel": [[1, 2, 4], [3, 4, 5]] * 15, "method": "fft"}, "float32", ""),
        (8192, "uint8", "canny", {"sigma": 2}, "bool", ""),
        (8192, "float32", "canny", {}, "bool", ""),
        (4096, "float32", "gradient", {"sigma": 2}, "float32", ""),
        (4096, "uint8", "gradient", {"operator": "farid", "dtype": "float32", "output": GRADIENT}, "float32", ""),
    ],
)
def test_the_peak_is_input_plus_output(side, dtype, name, options, result_dtype, first):
    script = f"{first}\n{MEASURE}"
    command = [sys.executable, "-c", script, str(side), dtype, name, repr(options)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    extra, got, _ = done.stdout.split()
    assert got == result_dtype
    assert int(extra) <= SLACK, f"{int(extra) / MIB:.1f} MiB beside input and output"


# ---- the input


@pytest.mark.parametrize("name", CASES)
def test_a_read_only_input_is_read_and_left_alone(name, rng):
    case = CASES[name]
    for src, dst in case.dtypes:
        image = make_image(rng, src, case.shape(*{2: (67, 45), 3: (9, 20, 33), 4: (4, 5, 6, 7)}[case.ndim]))
        image.flags.writeable = False
        before = image.tobytes()
        result = case.call(image, dtype=dst)
        assert image.tobytes() == before
        assert not np.may_share_memory(result, image)
        assert result.flags.writeable


KERNEL = [[1, 2, 0], [0, 0, 3], [4, 0, 5]]
ARGUMENTS = {
    "box": (3,),
    "difference_of_gaussians": (1,),
    "separable_filter": ([1, 2, 1],),
    "correlate": (KERNEL,),
    "convolve": (KERNEL,),
    "correlate_bank": ([KERNEL, KERNEL],),
}


@pytest.mark.parametrize("layout", ["plain", "Fortran", "reversed", "other byte order"])
@pytest.mark.parametrize("name", [*filters.__all__, *correlation.__all__])
def test_every_public_filter_leaves_its_input_alone(name, layout, rng):
    for dtype in ("bool", "uint8", "int8", "int16", "int32", "float16", "float32", "float64"):
        image = (rng.random((21, 18)) * 250 - 125).astype(dtype)
        if dtype == "int16":
            image[3, 4] = -32768  # which rescaling has to raise, in a copy
        image = {
            "plain": image,
            "Fortran": np.asfortranarray(image),
            "reversed": image[::-1, ::-1],
            "other byte order": image.astype(image.dtype.newbyteorder()),
        }[layout]
        before = image.tobytes()
        result = getattr(fastsep, name)(image, *ARGUMENTS.get(name, ()))
        assert image.tobytes() == before
        assert not np.may_share_memory(result, image)

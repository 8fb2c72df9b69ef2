"""Promises: no second image in memory, kernels that allocate nothing, and an input that is left alone."""

import ctypes
import platform
import subprocess
import sys

import numpy as np
import pytest
from cases import CASES, cases
from helpers import MIB, SLACK, layouts, make_image, peak_memory, replace_everywhere, slow

import fastsep
from fastsep import correlation, filters
from fastsep._call import not_run
from fastsep._engine import kernel_arguments, memory
from fastsep._plan.stretches import of_stretches, stretches_of

GRADIENT = ("orientation", "magnitude", "dx")


@pytest.mark.slow
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
        (4096, "float32", "separable_filter", {"taps": [1, 4, 6, 4, 1], "stride": 2}, "float32", ""),
        (4096, "float32", "opening", {}, "float32", ""),
        (4096, "uint8", "white_tophat", {}, "uint8", ""),
        (8192, "uint8", "canny", {"sigma": 2}, "bool", ""),
        (8192, "float32", "canny", {}, "bool", ""),
        (4096, "float32", "gradient", {"sigma": 2}, "float32", ""),
        (4096, "uint8", "gradient", {"operator": "farid", "dtype": "float32", "output": GRADIENT}, "float32", ""),
    ],
)
def test_the_peak_is_input_plus_output(side, dtype, name, options, result_dtype, first):
    extra, got = peak_memory(name, options, (side, side), dtype, first)
    assert got == result_dtype
    assert extra <= SLACK, f"{extra / MIB:.1f} MiB beside input and output"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("shape", "dtype", "name", "options"),
    [
        ((4096, 4096), "float32", "gaussian", {"sigma": 2}),
        ((2000, 160, 160), "float32", "gaussian", {"sigma": 2, "weights": [[[0.5]]]}),
        ((4096, 4096), "float32", "gaussian", {"sigma": 2, "mode": "wrap", "weights": [[0.5]]}),
        ((4096, 4096), "float32", "gradient", {"operator": "gaussian", "sigma": 2, "weights": [[0.5]]}),
        ((4096, 4096), "float32", "unsharp_mask", {"weights": [[0.5]]}),
        ((4096, 4096), "float32", "difference_of_gaussians", {"low_sigma": 1, "weights": [[0.5]]}),
        ((8192, 8192), "uint8", "box", {"size": 5, "dtype": "uint8", "fill_value": 0, "weights": [[0.5]]}),
        ((2048, 4096), "int64", "box", {"size": 5, "nodata": 0}),
    ],
)
def test_missing_pixels_take_no_second_image(shape, dtype, name, options):
    # Each thread takes a block.
    extra, _ = peak_memory(name, {"nan": "ignore", "workers": 2, **options}, shape, dtype)
    assert extra <= SLACK, f"{extra / MIB:.1f} MiB beside input and output"


@pytest.mark.parametrize("length", [1, 1000, 100_003, 1 << 31])
@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (fastsep.gaussian, (2,)),
        (fastsep.gaussian, (50,)),
        (fastsep.difference_of_gaussians, (1, 3)),
        (fastsep.box, (101,)),
        (fastsep.laplace, ()),
        (fastsep.ndimage.maximum_filter, (9,)),
        (fastsep.ndimage.median_filter, (25,)),
    ],
)
def test_a_line_takes_scratch_that_stays_in_cache(function, parameters, length):
    plan = not_run(function, (length,), np.dtype(np.float32), *parameters).program.alone.plan
    cut = stretches_of(plan)
    for part in (plan,) if cut is None else of_stretches(plan, cut):
        assert kernel_arguments.block(part).scratch < 4 * MIB


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("gaussian", {"sigma": 2}, (1 << 24,)),
        ("gaussian", {"sigma": 2}, (1, 1 << 24)),
        ("gaussian", {"sigma": 30, "mode": "wrap"}, (3, 1 << 22)),
        ("gaussian", {"sigma": 2}, (2, 2, 1 << 21)),
        ("box", {"size": 51, "mode": "constant"}, (1 << 24,)),
        ("box", {"size": 51}, (3, 1 << 22)),
        ("sobel", {"mode": "constant"}, (1, 1 << 24)),
        ("separable_filter", {"taps": [1, 2, 0, 4], "mode": "mirror"}, (1 << 24,)),
        ("unsharp_mask", {}, (3, 1 << 22)),
        # What lies between stages:
        ("canny", {"sigma": 2, "mode": "constant"}, (5, 1 << 22)),
        ("gradient", {"operator": "farid", "output": GRADIENT}, (5, 1 << 22)),
        ("corner_harris", {}, (5, 1 << 22)),
        ("canny", {"sigma": 2, "mode": "wrap"}, (5, 1 << 22)),
        ("correlate_bank", {"kernels": [[[1, 2, 3, 4], [1, 3, 2, 1]]] * 2, "method": "separable"}, (1, 1 << 22)),
    ],
)
def test_long_rows_take_no_more_memory_than_others(name, options, shape):
    extra, _ = peak_memory(name, options, shape, "float32")
    assert extra <= SLACK, f"{extra / MIB:.1f} MiB beside input and output"


@pytest.mark.parametrize("rows", [1, 10])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("difference_of_gaussians", {"low_sigma": 50}),
        ("gaussian", {"sigma": 50, "order": (0, 1)}),
        ("gaussian", {"sigma": 5, "order": (0, 2)}),
        ("gaussian_laplace", {"sigma": 50}),
        ("separable_filter", {"taps": ([1.0] * 501, [-1.0, 1.0])}),
    ],
)
def test_few_rows_under_long_taps_take_no_more_scratch_than_a_blur(name, options, rows, monkeypatch):
    """But for the sums of terms. Most rows under the taps are the same ones again, from beyond the border."""
    taken, take = [], memory.take_workspace
    replace_everywhere(monkeypatch, take, lambda size: taken.append(size) or take(size))
    image = np.ones((rows, 30_000), np.float32)
    fastsep.gaussian(image, 50, workers=1)
    getattr(fastsep, name)(image, **options, workers=1)
    blur, other = taken
    assert other <= 2 * blur


# What a command takes more at most for the second picture than it has after the first, which is a small one.
_COMMAND = """
import sys
from fastsep.__main__ import main

def status(name):
    with open("/proc/self/status") as file:
        (line,) = (line for line in file if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024

small, large, *options = sys.argv[1:]
assert main(["edges", small, *options, "--output", "edges.png", "--quiet"]) == 0
before = status("VmRSS")
assert main(["edges", large, *options, "--output", "edges.png", "--quiet"]) == 0
print(status("VmHWM") - before)
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A small and a large picture of each kind."""
    image = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("pictures")
    for name, side in (("small", 512), ("large", 4096)):
        blocks = np.random.default_rng(0).integers(0, 256, (side // 16, side // 16, 3), dtype=np.uint8)
        colour = np.kron(blocks, np.ones((16, 16, 1), np.uint8))
        deep = colour[..., 0].astype(np.uint16) * 257
        for kind, pixels in (("colour.png", colour), ("colour.jpg", colour), ("deep.png", deep), ("deep.tif", deep)):
            image.fromarray(pixels).save(folder / f"{name}-{kind}", compress_level=1)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("colour.png", ""),
        ("colour.png", "--overlay"),
        ("colour.jpg", "--sigma 2 --overlay"),
        ("colour.jpg", "--low 0.1 --high 0.2"),
        ("deep.png", "--overlay"),
        ("deep.tif", "--sigma 2"),
    ],
)
def test_edges_of_a_picture_take_12_bytes_a_pixel(pictures, kind, options):
    """From the file to the file: with its own pixels, and what decodes and encodes them."""
    files = [str(pictures / f"{name}-{kind}") for name in ("small", "large")]
    command = [sys.executable, "-c", _COMMAND, *files, "--method", "sobel", *options.split()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=pictures)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) <= 12 * 4096**2 + SLACK, f"{int(done.stdout) / 4096**2:.1f} bytes a pixel"


# ---- results


@pytest.mark.slow
@pytest.mark.parametrize(
    "run",
    [
        lambda image: fastsep.gaussian(image, 2),
        lambda image: fastsep.gaussian(image, 2, dtype="uint8"),
        lambda image: fastsep.canny(image),
        lambda image: fastsep.gradient(image)[1],
        lambda image: fastsep.correlate(image, KERNEL, method="fft"),
        lambda image: fastsep.corner_harris(image),
        lambda image: fastsep.apply_hysteresis_threshold(image, 1, 2),
        lambda image: fastsep.correlate_bank(image, [KERNEL, KERNEL]),
        lambda image: fastsep.correlate_bank(image, [KERNEL], method="direct"),
        lambda image: fastsep.SeparableConv2D(np.ones((3, 3, 1)), np.ones((1, 2)))(image[..., None]),
        lambda image: fastsep.conv2d(image[None], np.ones((2, 1, 3, 3)), data_format="channels_first"),
    ],
)
def test_large_results_begin_on_a_cache_line(run):
    # NumPy alone may be lucky once, but not that often.
    results = [run(np.zeros((256, 257 + n), np.float32)) for n in range(8)]
    assert {result.ctypes.data % 64 for result in results} == {0}
    assert all(result.flags.carray for result in results)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_addresses_are_those_that_numpy_tells(dtype):
    image = np.arange(30).reshape(5, 6).astype(dtype)
    arrays = [*layouts(image).values(), image[1:, 1:], image[:0], image[2, 2:3].reshape(()), np.ma.array(image)]
    for array in arrays:
        assert memory.address_of(array) == array.ctypes.data


@pytest.mark.skipif(
    sys.platform == "win32" or platform.machine() != "x86_64", reason="asks the flags of x86, by the C library"
)
@pytest.mark.parametrize("case", [("gaussian", "float32"), *slow(("gaussian", "float64"), ("farid", "float32"))])
@pytest.mark.parametrize("shape", [(9, 8), (9, 20), (30, 64), (9, 300)])
def test_numbers_left_by_earlier_calls_are_not_computed_with(case, shape):
    """Those too small to be normal, as halves of addresses are, take a hundred times as long on some CPUs."""
    (name, dtype), library, underflow = case, ctypes.CDLL(None), 16
    function, image = getattr(fastsep, name), np.ones(shape, dtype)
    out = function(image, workers=1)
    memory._free.clear()
    workspace = memory.Workspace(1 << 20)
    workspace.memory.view(np.int32)[:] = 1
    memory.give_back(workspace)
    library.feclearexcept(underflow)
    function(image, out=out, workers=1)
    assert not library.fetestexcept(underflow)
    assert memory._free == [workspace]


# ---- the input


@pytest.mark.parametrize("name", cases())
def test_a_read_only_input_is_read_and_left_alone(name, rng):
    case = CASES[name]
    src, dst = case.dtypes[0]
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


@pytest.mark.parametrize(
    "dtypes", [("float16", "float32", "float64"), *slow(("bool", "uint8", "int8", "int16", "int32"))]
)
@pytest.mark.parametrize("layout", ["plain", "Fortran", "reversed", "other byte order"])
@pytest.mark.parametrize("name", [*filters.__all__, *correlation.__all__])
def test_every_public_filter_leaves_its_input_alone(name, layout, dtypes, rng):
    for dtype in dtypes:
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

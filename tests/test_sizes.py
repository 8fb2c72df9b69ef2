"""Promise: portable, and right at every size, with nothing read or written outside the arrays.

Shapes on both sides of every switch against the oracle, modes and dtypes rotating, and between pages
that may not be touched, as a script in a process of its own, which one wrong address ends. Slow: every
shape from 1 x 1 to 40 x 40, and those pages with smaller vectors; see `test_levels.py`, too.
"""

import ctypes
import mmap
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # as a script there is no conftest

from cases import CASES, SELDOM, cases
from helpers import (
    LEVELS,
    MODES,
    OneAfterTheOther,
    cut_all_images,
    finish_script,
    make_image,
    on_level,
    say,
    slow,
    start_script,
)

import fastsep
from fastsep import ndimage
from fastsep._engine import argument_writer, execution
from fastsep._engine import bands as _bands
from fastsep._engine import memory as _memory
from fastsep._kernels import jit
from fastsep._ops import decimated, tensor
from fastsep._plan import pieces, tuning

# A vector has 2 to 16 values, and kernels change their way at one vector, at two, and at eight; at two to eight rows
# of a tile, at two tiles, and where the rows under the taps are all there. Each width meets every second height.
WIDTHS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 131, 147)
HEIGHTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 17, 25, 33)
PLANES = [(h, w) for number, w in enumerate(WIDTHS) for h in HEIGHTS[number % 2 :: 2]]
ALL_PLANES = [(h, w) for h in range(1, 41) for w in range(1, 41)]
VOLUMES = [(d, h, w) for d in (1, 2, 3, 9) for h in (1, 2, 7, 17) for w in (1, 3, 8, 15, 16, 33)]
FOUR = [(a, d, h, w) for a in (1, 4) for d in (1, 3) for h in (1, 6) for w in (1, 5, 20)]
SHAPES = {2: PLANES, 3: VOLUMES, 4: FOUR}
NUMBERS = {name: number for number, name in enumerate(CASES)}
PAIRS = dict(zip(LEVELS, (0, -1), strict=True))  # the dtypes of a case that smaller vectors are tested with


def inputs(case, index, shape, rng, dtypes=None):
    """Image, dtype of the result, modes and cval number `index` of a case."""
    src, dst = dtypes or case.dtypes[index % len(case.dtypes)]
    image = make_image(rng, src, case.shape(*shape))
    floats = {image.dtype.kind, np.dtype(dst).kind} == {"f"}
    if floats and index % 7 == 3:
        image.flat[index % image.size] = np.nan
    if floats and index % 7 == 5:
        image.flat[index % image.size] = np.inf
    # 5 and 7 have no factor in common with each other, nor with the number of dtypes.
    modes = tuple(MODES[index // (1, 5, 7, 3)[axis] % 5] for axis in range(case.ndim))
    return image, dst, modes, float(index % 3 == 1)


def check(name, shapes, dtypes=None, share=1):
    """Compare a case with the oracle, in all its dtypes or in one pair of them.

    Of `share` shapes at one, in turn; it has no factor in common with what `inputs` counts by.
    """
    case = CASES[name]
    rng = np.random.default_rng(2024)
    for index, shape in enumerate(shapes[case.ndim]):
        if max(shape) > 3 and (index + NUMBERS[name]) % share:
            continue
        image, dst, modes, cval = inputs(case, index, shape, rng, dtypes)
        before = image.copy()
        result = case.call(image, dtype=dst, mode=modes, cval=cval)
        try:
            case.check(result, image, dst, modes, cval)
        except AssertionError as error:
            raise AssertionError(f"{name} {image.dtype} {shape} {modes} cval={cval}: {error}") from None
        np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("share", [8, *slow(1)])
@pytest.mark.parametrize("name", cases())
def test_shapes_around_every_switch(name, share):
    check(name, SHAPES, CASES[name].dtypes[0], share)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_shapes_around_every_switch_in_all_dtypes(name):
    check(name, SHAPES)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.ndim == 2])
def test_every_small_shape(name):
    check(name, {2: ALL_PLANES})


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


class GuardedWorkspace(_memory.Workspace):
    """The scratch memory of a call, of exactly its size."""

    def __init__(self, size):
        self.size = size
        words = _memory.BLOCK_BYTES
        self.memory = Guarded(size + words).array((size + words,), np.uint8, True)
        self.address = self.memory.ctypes.data
        self.words = self.memory[:words].view(np.int64)
        self.word = memoryview(self.words)
        self.scratch = self.address + words
        self.arguments = jit.arguments(self.address)


def guard_scratch(fill):
    """Put scratch memory next to forbidden pages, filled with the byte in `fill` before each call."""
    spaces = []

    def workspace(size):
        if not spaces or spaces[-1].size != size:
            spaces[:] = [GuardedWorkspace(size)]
        spaces[-1].memory[:] = fill[0]
        spaces[-1].filled_by = None  # its block is gone
        return spaces[-1]

    for module in (_memory, execution):
        module.take_workspace = workspace
        module.give_back = lambda workspace: None


def guard_scratch_and_taps(fill):
    """Put what the package allocates for kernels next to forbidden pages, too: right before them, or behind."""
    keep = []

    def address(maker, values):
        copy = Guarded(values.nbytes).array(values.shape, values.dtype, fill[0] == 0)
        copy[...] = values
        maker.keep.append(copy)
        keep.append(copy)
        return copy.ctypes.data

    guard_scratch(fill)
    argument_writer.ArgumentWriter.address = address
    tuning.DENSE_EDGES_PAY = 1  # small images, too, are read in place
    tuning.STREAM_RESULTS = tuning.STREAM_RESULT = tuning.STREAM_EXTREMA = 0  # and written around the cache
    fastsep.clear_caches()
    return keep


def check_addresses(pair, share):
    """Of `share` shapes that a case is filtered with in turn one, for which there is time in every run; or all."""
    fill = [0]
    keep = guard_scratch_and_taps(fill)
    rng = np.random.default_rng(7)
    sources, results = Guarded(1 << 18), Guarded(1 << 19)
    chosen = {name: case for name, case in CASES.items() if share <= 3 or name not in SELDOM}
    for number, (name, case) in enumerate(chosen.items()):
        dtypes = case.dtypes[pair]
        for index, shape in enumerate(SHAPES[case.ndim]):
            # Shapes take turns over the cases, but for the smallest. There are fewer volumes.
            if max(shape) > 3 and (index + number) % (share if case.ndim == 2 else share // 3):
                continue
            image, dst, modes, cval = inputs(case, index, shape, rng, dtypes)
            seen = set()
            # Scratch of zeros, and of all ones: as a float NaN, as an address nobody's.
            for at_end, fill[0] in ((False, 0), (True, 0xFF), (False, 0xFF), (True, 0)):
                source = sources.array(image.shape, image.dtype, at_end)
                source[...] = image
                out = results.array(*case.empty(image.shape, dst), at_end ^ (fill[0] == 0))
                out[...] = 77
                case.call(source, dtype=dst, mode=modes, cval=cval, out=out, workers=1)
                assert source.tobytes() == image.tobytes(), (name, shape)
                seen.add(out.tobytes())
            assert len(seen) == 1, (name, shape, image.dtype, modes)
            if index % 50 == 0:
                fastsep.clear_caches()
                keep.clear()
    check_long_rows(fill, keep, sources, results, pair, chosen)
    check_bank_addresses(fill, keep, sources, results, share)
    check_composed_addresses(fill, keep, sources, results, ("uint8", "float32")[pair])
    check_decimated_addresses(fill, keep, sources, results, ("float32", "float64")[pair])
    strided = (("float32", "uint8"), ("uint8", "float64"))[pair] if share <= 3 else ("float32", "float32")
    check_strided_addresses(fill, keep, sources, results, strided)
    check_hessian_addresses(fill, keep, ("float32", "float64")[pair])
    tuning.LOOKED_AT = 0
    for count in range(1, 80):
        for at_end in (False, True):
            image = sources.array((count,), ("float32", "float64")[pair], at_end)
            image[...] = 1
            assert execution.is_within(image, 1.0, 1)
            image[count // 2] = np.nan
            assert not execution.is_within(image, 1.0, 1)
    say("all addresses")


def cut_all_rows():
    """Rows are cut into pieces, or stretches, as small as they can be."""
    tuning.PIECE_VALUES = dict.fromkeys(tuning.PIECE_VALUES, pieces.UNIT)
    tuning.MARGINS, tuning.STRETCHES, tuning.LEAST_STRETCH, tuning.STRETCH_CALLS = 1, 3, 1, -(1 << 40)
    tuning.STRETCH = tuning.STRETCH_OF_RANKS = pieces.UNIT, pieces.UNIT


LINES = {
    "smooth": lambda image, **options: fastsep.gaussian(image, 1.5, **options),
    "derivative": lambda image, **options: fastsep.gaussian(image, 1.0, order=2, **options),
    "box": lambda image, **options: fastsep.box(image, 37, **options),
    "small box": lambda image, **options: fastsep.box(image, 13, **options),
    "dense": lambda image, **options: fastsep.correlate(image, [1.0, 0.0, 3.0, 2.0], method="direct", **options),
}
RANKED_LINES = {
    "maximum": lambda image, **options: ndimage.maximum_filter(image, 9, **options),
    "footprint": lambda image, **options: ndimage.maximum_filter(image, footprint=[1, 0, 1, 1, 0, 1], **options),
    "median": lambda image, **options: ndimage.median_filter(image, 5, **options),
}


def check_lines(number):
    """Lines of just too few values to be cut, of just enough, and of some more."""
    dtype, fill = ("float32", "uint8", "float64")[number], [0]
    keep = guard_scratch_and_taps(fill)
    cut_all_rows()
    rng = np.random.default_rng(11)
    source, result = Guarded(1 << 14), Guarded(1 << 14)
    for number, (name, call) in enumerate({**LINES, **RANKED_LINES}.items()):
        for index, length in enumerate((1, 2, 15, 63, 140, 150, 160, 190, 220, 257, 300, 401, 512, 640, 777, 1283)):
            image = make_image(rng, dtype, (length,))
            mode = MODES[(index + number) % 5]
            options = {"mode": mode} if name in RANKED_LINES else {"mode": mode, "dtype": image.dtype, "workers": 1}
            into = "output" if name in RANKED_LINES else "out"
            seen = set()
            for at_end, fill[0] in ((False, 0), (True, 0xFF), (False, 0xFF), (True, 0)):
                place = source.array(image.shape, image.dtype, at_end)
                place[...] = image
                out = result.array(image.shape, image.dtype, at_end ^ (fill[0] == 0))
                out[...] = 77
                fastsep.clear_caches()  # so that taps and borders, too, lie at either end
                call(place, **options, **{into: out})
                assert place.tobytes() == image.tobytes(), (name, length)
                seen.add(out.tobytes())
            assert len(seen) == 1, (name, length, mode)
            keep.clear()
    check_sparse_medians(source, result)
    say("all lines")


def check_sparse_medians(source, result):
    """Lines under a footprint of few pixels: a vector is compared with one far to the right, in bytes the furthest."""
    footprint = np.zeros(47, bool)
    footprint[[0, 2, 5, 43, 46]] = True
    for length in range(600, 760):
        place = source.array((length,), np.int64, True)
        place[...] = np.arange(length)
        ndimage.median_filter(place, footprint=footprint, output=result.array((length,), np.int64, False))


def check_long_rows(fill, keep, sources, results, pair, chosen):
    """Rows of just too few values to be cut, of just enough, and of some more."""
    cut_all_rows()
    rng = np.random.default_rng(10)
    for number, (name, case) in enumerate(chosen.items()):
        for index, width in enumerate((255, 256, 257, 320, 511, 512, 513, 577, 640)):
            if (index + number) % 3:
                continue
            shape = (*(1, 2, 1)[: case.ndim - 1], width) if case.ndim > 2 else ((1, 3)[index % 2], width)
            image, dst, modes, cval = inputs(case, index + number, shape, rng, case.dtypes[pair])
            seen = set()
            for at_end, fill[0] in ((False, 0), (True, 0xFF)):
                source = sources.array(image.shape, image.dtype, at_end)
                source[...] = image
                out = results.array(*case.empty(image.shape, dst), not at_end)
                out[...] = 77
                case.call(source, dtype=dst, mode=modes, cval=cval, out=out, workers=1)
                assert source.tobytes() == image.tobytes(), shape
                seen.add(out.tobytes())
            assert len(seen) == 1, (name, shape, image.dtype, modes)
            fastsep.clear_caches()
            keep.clear()


COMPOSED = {
    "opening": ((0, 1, 0), (1, 1, 1), (0, 1, 0)),
    "closing": ((1, 1),) * 5,
    "white_tophat": ((1, 0, 0, 1, 1), (0, 1, 0, 0, 0)),
    "black_tophat": ((1, 1, 1),) * 3,
}


def check_composed_addresses(fill, keep, sources, results, dtype):
    """Small planes, and some of more rows than a step of a pipeline makes."""
    rng = np.random.default_rng(12)
    for number, (name, footprint) in enumerate(COMPOSED.items()):
        for index, shape in enumerate([*ALL_PLANES[number::29], (70, 3), (130, 65), (139, 130), (2, 300)]):
            image = make_image(rng, dtype, shape)
            options = {"mode": ("reflect", "constant", "nearest", "mirror", "ignore")[index % 5], "workers": 1}
            seen = set()
            for at_end, fill[0] in ((False, 0), (True, 0xFF)):
                source = sources.array(shape, dtype, at_end)
                source[...] = image
                out = results.array(shape, dtype, not at_end)
                out[...] = 77
                getattr(fastsep, name)(source, np.array(footprint), out=out, **options)
                assert source.tobytes() == image.tobytes(), (name, shape)
                seen.add(out.tobytes())
            assert len(seen) == 1, (name, shape, options)
            if index % 20 == 0:
                fastsep.clear_caches()
                keep.clear()


def check_bank_addresses(fill, keep, sources, results, share):
    """Banks of 1 to 37 kernels over small planes, in one strip and in several."""
    rng = np.random.default_rng(8)
    for number, count in enumerate((1, 2, 7, 16, 17, 37)):
        kernels = np.einsum("ni,nj->nij", rng.random((count, 2 + number)), rng.random((count, 6 - number or 1)))
        if number % 2:
            kernels -= kernels.mean(axis=(1, 2), keepdims=True)
        dtypes = [("float32", "float32"), ("uint8", "float32"), ("uint16", "float64")]
        if share > 3:  # without kernels that no other test of every day needs
            dtypes = dtypes[: 2 - number % 2]
        parts = fastsep.factorize_bank(kernels)
        for index, (height, width) in enumerate(ALL_PLANES[number :: 23 if share <= 3 else 101]):
            src, dst = dtypes[index % len(dtypes)]
            if height * width * count * np.dtype(dst).itemsize > results.size:
                continue
            tuning.PLANES_BYTES = (1, 4 << 20)[index // 2 % 2]
            fastsep.clear_caches()
            keep.clear()  # there may be so many mappings only
            image = make_image(rng, src, (height, width))
            seen = set()
            for at_end, fill[0] in ((False, 0), (True, 0xFF)):
                source = sources.array(image.shape, image.dtype, at_end)
                source[...] = image
                out = results.array((height, width, count), dst, not at_end)
                out[...] = 77
                mode = MODES[index % 5]
                fastsep.correlate_bank(source, parts, mode=mode, dtype=dst, method="separable", out=out, workers=1)
                assert source.tobytes() == image.tobytes()
                seen.add(out.tobytes())
            assert len(seen) == 1, (count, height, width, src)


def check_decimated_addresses(fill, keep, sources, results, dtype):
    """Wide Gaussians within a bound, whatever they cost."""
    decimated._seconds = lambda *_: 0.0
    rng = np.random.default_rng(5)
    for index, shape in enumerate(product((1, 2, 7, 24, 25, 65), (1, 3, 16, 17, 64, 129))):
        keep.clear()
        fastsep.clear_caches()
        image, seen = make_image(rng, dtype, shape), set()
        options = {"mode": MODES[index % 5], "cval": 0.5, "tol": 1e-3, "workers": 1}
        for at_end, fill[0] in ((False, 0), (True, 0xFF), (False, 0xFF), (True, 0)):
            source = sources.array(shape, dtype, at_end)
            source[...] = image
            out = results.array(shape, dtype, at_end ^ (fill[0] == 0))
            out[...] = 77
            fastsep.gaussian(source, ((4, 6.5, 12)[index % 3], 1), out=out, **options)
            seen.add(out.tobytes())
        assert len(seen) == 1, (shape, options)


def check_strided_addresses(fill, keep, sources, results, dtypes):
    """Every n-th result alone, of short and of many taps, of images in pieces."""
    tuning.STRIDED_BYTES = 1 << 11
    rng = np.random.default_rng(6)
    taps = ([1, 4, 6, 4, 1], [1.0, 2.0, 4.0], [1.0], list(range(1, 24)))
    strides = ((2, 2), (1, 3), (3, 1), (40, 2), (2, 17))
    shapes = product((1, 2, 3, 16, 33, 65), (1, 2, 7, 15, 16, 17, 33, 64, 129), ((), (3,)))
    for index, (height, width, pixel) in enumerate(shapes):
        keep.clear()
        fastsep.clear_caches()
        image, seen = make_image(rng, dtypes[0], (height, width, *pixel)), set()
        lines = [taps[0], taps[0]] if index % 3 == 0 else [taps[index % 4], taps[index // 4 % 4]]
        stride = strides[0] if index % 3 == 0 else strides[index % 5]
        shape = (-(-height // stride[0]), -(-width // stride[1]), *pixel)
        options = {"mode": MODES[index % 5], "cval": 1.0, "dtype": dtypes[1], "workers": 1}
        for at_end, fill[0] in ((False, 0), (True, 0xFF), (False, 0xFF), (True, 0)):
            source = sources.array(image.shape, image.dtype, at_end)
            source[...] = image
            out = results.array(shape, dtypes[1], at_end ^ (fill[0] == 0))
            out[...] = 77
            channel_axis = 2 if pixel else None
            fastsep.separable_filter(source, lines, stride=stride, out=out, channel_axis=channel_axis, **options)
            assert source.tobytes() == image.tobytes()
            seen.add(out.tobytes())
        assert len(seen) == 1, (image.shape, lines, stride, options)


def check_hessian_addresses(fill, keep, dtype):
    """Second differences of planes in one to three bands, against NumPy's, without a blur; rows of a pipeline."""
    cut_all_images()
    _bands._pool = OneAfterTheOther()
    rng = np.random.default_rng(9)
    source, results = Guarded(1 << 15), [Guarded(1 << 15) for _ in range(3)]
    for index, (height, width) in enumerate(ALL_PLANES[::7]):
        if min(height, width) < 2:
            continue
        keep.clear()
        image = rng.random((height, width)).astype(dtype)
        slopes = np.gradient(image)
        expected = [np.gradient(slopes[a], axis=b) for a, b in ((0, 0), (index % 2, 1 - index % 2), (1, 1))]
        order = ("yx", "xy")[index % 2]
        pipeline, _ = tensor.hessian_pipeline(image.shape, image.dtype, order, (0.0, 0.0), MODES[:2], 0.0)
        pipeline._loaded = pipeline._load()
        pipeline._loaded.most = 3
        for bands, at_end, fill[0] in ((1, False, 0), (1, True, 0xFF), (3, True, 0xFF)):
            place = source.array(image.shape, dtype, at_end)
            place[...] = image
            out = [room.array(image.shape, dtype, at_end) for room in results]
            pipeline.run(place, out[0], bands, out[1:])
            for one, other in zip(out, expected, strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect as Linux has it")
@pytest.mark.parametrize(
    ("level", "pair", "share"),
    [
        ("native", 0, 41),
        *(pytest.param("native", pair, 3, marks=pytest.mark.slow) for pair in (0, -1)),
        *(pytest.param(level, PAIRS[level], 3, marks=pytest.mark.slow) for level in LEVELS),
    ],
    indirect=["level"],
)
def test_no_address_outside_the_arrays(level, pair, share):
    status, output = finish_script(start_script(__file__, level, "addresses", str(pair), str(share)))
    assert status == 0, f"exit status {status}\n{output}"
    assert "all addresses" in output


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect as Linux has it")
@pytest.mark.parametrize("dtype", [0, *slow(1, 2)])
def test_no_address_outside_a_line(dtype):
    status, output = finish_script(start_script(__file__, "native", "lines", str(dtype)))
    assert status == 0, f"exit status {status}\n{output}"
    assert "all lines" in output


@pytest.mark.skipif(sys.platform != "linux", reason="mprotect as Linux has it")
def test_the_forbidden_pages_are_forbidden():
    for offset in ("-1", "1"):
        status, output = finish_script(start_script(__file__, "native", "trespass", offset))
        assert status < 0, f"exit status {status}\n{output}"


def trespass(offset):
    memory = Guarded(100).array((100,), np.uint8, offset > 0)
    ctypes.memset(memory.ctypes.data + (99 + offset if offset > 0 else offset), 0, 1)


if __name__ == "__main__":
    level, what, *arguments = sys.argv[1:]
    with on_level(level):
        {"addresses": check_addresses, "lines": check_lines, "trespass": trespass}[what](*map(int, arguments))

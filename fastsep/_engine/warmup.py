"""Compiling ahead of the first call: which kernels, and by how many processes.

Numba compiles one function at a time in a process, so several processes share the kernels. They put them into the
cache, from which this one loads them.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np
import numpy.typing as npt

from fastsep._engine import bands
from fastsep._engine.pool import ROLES
from fastsep._kernels import cache, jit
from fastsep._validation.scalars import check_workers, one_of, words

Key = tuple[str, ...]
GROUPS = ("filters", "missing", "edges", "corners", "correlation", "morphology", "ranks", "ndimage", "layers")
DTYPES = ("uint8", "uint16", "int16", "float32", "float64")
#: A process for so many kernels: starting one costs as much as compiling the first of them.
FEW = 4


def warmup(
    progress: Callable[[int, int, str], object] | None = None,
    *,
    only: str | Sequence[str] | None = None,
    dtype: npt.DTypeLike | Sequence[npt.DTypeLike] | None = None,
    workers: int | None = None,
) -> float:
    """Compile kernels ahead of the first call, or load them from the cache, and return the seconds that took.

    Parameters
    ----------
    progress : callable, optional
        Called as `progress(done, total, label)`: before the first kernel that has to be compiled, and after each.
        In the last call, done == total.
    only : str or sequence of str, optional
        What the kernels are for: "filters", "missing" (missing pixels: Gaussians and means), "edges", "corners",
        "correlation", "morphology", "ranks" (medians), "ndimage" (the linear filters of `fastsep.ndimage`),
        "layers". Default: all.
    dtype : dtype or sequence of dtypes, optional
        Of the images: uint8, uint16, int16, float32, float64. Default: uint8, float32, and float64 but for layers.
    workers : int, optional
        Processes that compile, each for kernels of its own. Default: the number of threads that calls use.

    Notes
    -----
    Without it, a kernel is compiled in the first call that needs it. Either way its code is kept on disk for later
    processes, which then do not import Numba: in the folder that FASTSEP_CACHE_DIR names, else beside the package, else
    in the user's cache folder. A folder that can only be read is read, and new code goes to the next; one that other
    users can write to is not trusted, and neither is such a file. If no folder can be written, every process compiles
    for itself. `show_config` names the folders in use, and why FASTSEP_CACHE_DIR is not used if it is not.

    After an upgrade nothing compiled before is used, also from a zip archive or in an application that PyInstaller has
    packed, for which the package brings a hook. At level debug, `logging.getLogger("fastsep")` says what is compiled
    and how long that took.

    Examples
    --------
    >>> import fastsep
    >>> fastsep.warmup(only="edges", dtype=["uint8", "float32"])  # doctest: +SKIP
    """
    start = time.perf_counter()
    groups = GROUPS if only is None else _several("only", only, GROUPS)
    dtypes = None if dtype is None else _several("dtype", dtype, DTYPES)
    most = bands.get_num_threads() if workers is None else check_workers(workers)
    wanted = keys(groups, dtypes)
    missing = [key for key in wanted if not jit.is_cached(*key)]
    tell = progress or _ignore
    tell(0, len(missing), "")
    told: set[Key] = set()
    for key in _compiled_apart(missing, min(most, len(missing) // FEW)):
        told.add(key)
        tell(len(told), len(missing), " ".join(key))
    for key in missing:
        jit.kernel(*key)  # loads it, or compiles what was not compiled apart
        if key not in told:
            told.add(key)
            tell(len(told), len(missing), " ".join(key))
    return time.perf_counter() - start


def _ignore(done: int, total: int, label: str) -> None:
    pass


def _several(name: str, value: Any, accepted: Sequence[str]) -> tuple[str, ...]:
    """Names out of those accepted, from one or several of them or of NumPy's types."""
    items = words(name, value) if isinstance(value, list | tuple) else (value,)
    return tuple(one_of(name, _name(item), accepted) for item in items)


def _name(item: Any) -> Any:
    if isinstance(item, np.dtype) or (isinstance(item, type) and issubclass(item, np.generic)):
        return np.dtype(item).name
    return item


# --- which kernels -------------------------------------------------------------------------------


def keys(groups: Sequence[str], dtypes: Sequence[str] | None) -> list[Key]:
    """The kernels of common calls on images of these dtypes, or of common ones."""
    found: list[Key] = [("loop", role) for role in ROLES]
    for group in groups:
        for dtype in dtypes or common(group):
            found += _FAMILIES[group](dtype)
    return list(dict.fromkeys(found))


def common(group: str) -> tuple[str, ...]:
    """Dtypes of the images that most calls of a group are made on; layers are of float32."""
    return ("uint8", "float32") if group == "layers" else ("uint8", "float32", "float64")


def _arithmetic(dtype: str) -> list[str]:
    """What images of a dtype are computed in: integers in both, as the result's dtype says."""
    return [dtype] if dtype.startswith("float") else ["float64", "float32"]


def _kinds(dtype: str) -> list[Key]:
    """Dtypes of image, arithmetic and result: floats, and of integers their own."""
    floats: list[Key] = [(dtype, acc, acc) for acc in _arithmetic(dtype)]
    return floats if dtype.startswith("float") else [*floats, (dtype, "float32", dtype)]


def _filters(dtype: str) -> list[Key]:
    # Sums over windows of 16-bit integers do not fit float32.
    found: list[Key] = [("box", "mean", dtype, "float64", dtype)] if dtype in ("uint16", "int16") else []
    if not dtype.startswith("float"):
        found.append(("small_box", dtype, "uint16" if dtype == "uint8" else "int32", dtype))
    planes = ("plane", "plane terms", "volume", "volume terms")
    sweeps = ("smooth4", "magnitude", "dy", "dx", "wide2 magnitude", "laplace")
    for kind in _kinds(dtype):
        found += [("fir", form, *kind) for form in planes]
        if kind[1] == "float32":
            found.append(("fir", "plane slopes terms", *kind))
        found += [("sweep", form, "1", *kind) for form in sweeps]
        found += [("sweep", "magnitude", "3", *kind), ("box", "mean", *kind)]
        if kind[1] == kind[2]:
            found.append(("sweep_volume", "magnitude", "1", *kind))
    return found


def _missing(dtype: str) -> list[Key]:
    """Gaussians and means of images with NaN or `nodata`, of masked arrays, and holes filled in."""
    floats = dtype.startswith("float")
    how = "nan" if floats else "equal"
    found: list[Key] = []
    for acc in _arithmetic(dtype):
        for kind in ((dtype, acc, acc), (acc, acc, acc)):
            found += [("fir", "plane", *kind), ("box", "mean", *kind)]
            found += [("sweep", form, "1", *kind) for form in ("smooth2", "smooth4")]
        kinds = (dtype, dtype, acc, acc, acc, acc, "quotient")
        found += [("missing", how, "none", *kinds), ("missing", "none", "uint8", *kinds, "told")]
    acc = dtype if floats else "float64"
    return [*found, ("missing", how, "none", dtype, dtype, acc, acc, acc, dtype, "quotient", "only")]


def _edges(dtype: str) -> list[Key]:
    found: list[Key] = [("pipeline",), ("hysteresis",)]
    for acc in _arithmetic(dtype):
        own, kind = (acc, acc, acc), (dtype, acc, acc)
        # Canny's smoothing and gradient are scikit-image's to the last bit in float64; int16 is converted for it.
        smooth, slope = ("plane exact", "exact magnitude") if acc == "float64" else ("plane divided", "magnitude")
        found += [("fir", smooth, *(own if dtype == "int16" else kind)), ("sweep", slope, "1", *own)]
        found += [("suppress", acc), ("threshold", acc)]
        found += [("sweep", form, "1", *kind) for form in ("dy+dx", "magnitude")]
        # Gradients of what has been smoothed.
        slopes = ("dy+dx", "magnitude", "magnitude+orientation")
        if acc == "float64":
            found += [("fir", "plane", *kind), ("sweep", "smooth4", "1", *kind)]
            found += [("sweep", form, "1", *own) for form in slopes]
        else:
            found += [("deviation", dtype, acc), *(("gradient_of_sum", form, "1", *kind) for form in slopes)]
    return found


def _corners(dtype: str) -> list[Key]:
    found: list[Key] = [("pipeline",)]
    for acc in _arithmetic(dtype):
        own = (acc, acc, acc)
        forms = "exact yy+yx+xx", "smooth4", "smooth4 harris", "smooth4 shi_tomasi"
        found += [("sweep", form, "1", *own) for form in forms]
        found += [("fir", "plane", dtype, acc, acc), ("fir", "plane", *own)]
        if acc == "float64":
            found.append(("hessian", "yx", acc))
        else:
            found += [("deviation", acc, acc), ("hessian", "yx of sum", acc)]
        found += [("corner", "harris", acc), ("corner", "shi_tomasi", acc)]
    return found


def _correlation(dtype: str) -> list[Key]:
    found: list[Key] = [("bank",)]
    for kind in _kinds(dtype):
        found += [("dense", "sums", *kind), ("fir", "plane", *kind), ("fir", "plane terms", *kind)]
    for acc in _arithmetic(dtype):
        found += [("within", acc), ("gemm", "planes", "2", acc)]
    return found


def _morphology(dtype: str) -> list[Key]:
    """Minima and maxima in windows, and under other footprints; one after the other, and what they differ by."""
    found: list[Key] = [("pipeline",)]
    found += [(form, which, *[dtype] * 3) for form in ("extremum", "flat") for which in ("minimum", "maximum")]
    return found + [("subtract", form, dtype) for form in ("second", "source") if dtype != "float16"]


def _ranks(dtype: str) -> list[Key]:
    """Medians of 3 x 3 and 5 x 5 pixels, which have kernels of their own, and other ranks."""
    from fastsep._kernels import selection

    def median(size: int) -> str:
        window = np.ones((1, size, size), bool)
        return selection.name(window, window.size // 2, selection.height(window))

    forms = (f"registers 1 {median(3)}", f"rows {median(5)}", "table")
    found: list[Key] = [("rank", form, *[dtype] * 3) for form in forms]
    if dtype == "uint8":
        found += [(form, *[dtype] * 3) for form in ("cumulative", "histogram")]
    return found


def _ndimage(dtype: str) -> list[Key]:
    """Linear filters whose results have the image's dtype."""
    own = (dtype, dtype, dtype)
    if not dtype.startswith("float"):
        sums = "uint16" if dtype == "uint8" else "int32"
        return [
            ("fir", "plane cast", dtype, "float64", dtype), ("dense", "ordered cast", dtype, "float64", dtype),
            ("small_box", dtype, sums, dtype), ("box", "cast", dtype, "float32", dtype),
            *(("sweep", form, "1", dtype, "int16", dtype) for form in ("dy", "dx", "laplace")),
        ]  # fmt: skip
    forms = ("plane", "plane differences", "plane slopes terms") if dtype == "float32" else ("plane", "plane terms")
    return [
        *(("fir", form, *own) for form in forms), ("dense", "sums", *own), ("box", "mean", *own),
        *(("sweep", form, "1", *own) for form in ("smooth2", "smooth4", "laplace")),
    ]  # fmt: skip


def _layers(dtype: str) -> list[Key]:
    """Layers of common sizes; kernels of float64 for images of float64 only."""
    acc = "float64" if dtype == "float64" else "float32"
    if dtype == "int16":
        dtype = acc  # converted
    forms = [("blocks", "0", "0"), ("planes", "0", "0"), ("planes", "3", "1"), ("planes", "3", "2")]
    found: list[Key] = [("tiles",), ("interleave", "planes", "3", acc)]
    found += [("pack", *form, dtype, acc) for form in forms]
    sizes = [("3", "1"), ("3", "2"), ("5", "1"), ("5", "2"), ("0", "0")]
    found += [("depthwise", form, *size, acc) for form in ("blocks", "straight") for size in sizes]
    found += [("depthwise", "planes", *size, acc) for size in (("3", "1"), ("5", "1"), ("0", "0"))]
    near = ("in_place", "blocks_in_place") if dtype == acc else ()
    if near:
        found.append(("pack", "in_place", "0", "0", acc, acc))
        found += [("depthwise", form, "3", stride, acc) for form in near for stride in ("1", "2")]
    if jit.target().vector_bytes < jit.WIDEST:
        found += [("depthwise", f"{form} by columns", "3", "1", acc) for form in ("blocks", "straight", *near)]
    found += [("im2col", form, acc) for form in ("blocks", "planes")]
    widths = [("blocks", "2"), ("planes", "2")] + [("blocks", "4")] * (jit.target().tile == 8 and acc == "float32")
    return found + [("gemm", *width, acc) for width in widths]


_FAMILIES: dict[str, Callable[[str], list[Key]]] = {
    "filters": _filters,
    "missing": _missing,
    "edges": _edges,
    "corners": _corners,
    "correlation": _correlation,
    "morphology": _morphology,
    "ranks": _ranks,
    "ndimage": _ndimage,
    "layers": _layers,
}


# --- processes -----------------------------------------------------------------------------------

#: What a process of ours runs. The modules are where this process found them, whatever the settings there say.
_PROGRAM = "import json, sys; sys.path[:] = json.loads(input()); from fastsep._engine.warmup import serve; serve()"


def _compiled_apart(keys: Sequence[Key], count: int) -> Iterator[Key]:
    """Compile in so many processes, and yield what is done; whatever fails there is left to the caller."""
    folder = jit.kept_in()
    # The executable of a frozen or embedded interpreter is another program.
    if count < 2 or folder is None or not sys.executable or getattr(sys, "frozen", False):
        return
    waiting = deque(keys)
    done: SimpleQueue[Key | None] = SimpleQueue()  # None: a process has ended
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError):  # where none can be started
        for _ in range(count):
            process = stack.enter_context(_process(str(folder)))
            threading.Thread(target=_feed, args=(process, waiting, done), daemon=True).start()
        while count:
            key = done.get()
            if key is None:
                count -= 1
            else:
                yield key


@contextlib.contextmanager
def _process(folder: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        env=os.environ | jit.environment() | {cache.VARIABLE: folder},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # this process says what is wrong with a kernel when it compiles it itself
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _feed(process: subprocess.Popen[str], waiting: deque[Key], done: SimpleQueue[Key | None]) -> None:
    """Hand kernels to a process, one at a time, while it answers and there are any."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError, IndexError, ValueError):
        print(json.dumps(sys.path), file=process.stdin)
        while True:
            key = waiting.popleft()
            print(json.dumps(key), file=process.stdin, flush=True)
            if not process.stdout.readline():
                break
            done.put(key)
    done.put(None)


def serve() -> None:
    """Compile what is asked for on the standard input, a kernel a line, and answer each with a line."""
    for line in sys.stdin:
        jit.kernel(*json.loads(line))
        sys.stdout.write(line)
        sys.stdout.flush()

"""A mosaic that is larger than the memory it may take, filtered block by block on the disk.

    python -m pip install ".[examples]" && python examples/larger_than_memory.py --side 40000

Makes a store of zarr with the pixels of a microscope's mosaic, in chunks: 3.2 GB for 40,000 x 40,000 pixels. Filters it
into another store with `fastsep.filter_blocks`, under a progress bar, compares a part with the result in memory, and
says how long that took, how long a plain copy takes, and the most memory that this process has had. An interrupted run
goes on where it was with --resume.
"""

from __future__ import annotations

import argparse
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import zarr

import fastsep

CHUNK = 1000  # pixels along either side
SIGMA = 2.0
MIB = 1 << 20


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Filter a mosaic that is larger than the memory it may take.")
    parser.add_argument(
        "--side", type=int, default=4000, metavar="N", help="of the mosaic, in pixels (default: %(default)s)"
    )
    parser.add_argument("--memory", type=int, default=256, metavar="MIB", help="to take (default: %(default)s)")
    parser.add_argument("--folder", type=pathlib.Path, help="for the stores, which stay (default: a temporary one)")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was interrupted, in --folder")
    options = parser.parse_args(argv)
    if options.folder is not None:
        options.folder.mkdir(exist_ok=True)
        run(options.folder, options.side, options.memory * MIB, options.resume)
        return
    with tempfile.TemporaryDirectory() as folder:
        run(pathlib.Path(folder), options.side, options.memory * MIB, False)


def run(folder: pathlib.Path, side: int, memory: int, resume: bool) -> None:
    if not (resume and (folder / "smooth.zarr").exists()):
        make_mosaic(folder / "mosaic.zarr", side)
        zarr.create_array(folder / "smooth.zarr", shape=(side, side), chunks=(CHUNK, CHUNK), dtype="u2", overwrite=True)
    source = zarr.open_array(folder / "mosaic.zarr", mode="r")
    target = zarr.open_array(folder / "smooth.zarr", mode="r+")
    print(f"{source.shape[0]:,} x {source.shape[1]:,} {source.dtype}: {source.nbytes / MIB:,.0f} MiB")

    def smooth() -> None:
        fastsep.filter_blocks(fastsep.gaussian, source, target, SIGMA, memory=memory, progress=True, resume=resume)

    print(f"filter_blocks: {seconds(smooth):.1f} s, given {memory / MIB:,.0f} MiB; {most_memory()}")
    check(source, target)
    print(f"a plain copy:  {seconds(lambda: copy(source, folder / 'copy.zarr')):.1f} s")
    shutil.rmtree(folder / "copy.zarr")


def make_mosaic(path: pathlib.Path, side: int) -> None:
    """Cells on a slope of light, with the noise of a camera."""
    mosaic = zarr.create_array(path, shape=(side, side), chunks=(CHUNK, CHUNK), dtype="u2", overwrite=True)
    rng = np.random.default_rng(0)
    for top in range(0, side, CHUNK):
        for left in range(0, side, CHUNK):
            y = np.arange(top, min(top + CHUNK, side), dtype=np.float32)[:, None]
            x = np.arange(left, min(left + CHUNK, side), dtype=np.float32)
            light = 2000 + (y + x) / side * 500
            cells = 900 * np.maximum(np.sin(y / 23) * np.sin(x / 29), 0)
            noise = rng.integers(-32, 32, light.shape)
            mosaic[top : top + CHUNK, left : left + CHUNK] = (light + cells + noise).astype("u2")


def copy(source: Any, path: pathlib.Path) -> None:
    """Chunk row by chunk row."""
    target = zarr.create_array(path, shape=source.shape, chunks=source.chunks, dtype=source.dtype)
    for top in range(0, source.shape[0], CHUNK):
        target[top : top + CHUNK] = source[top : top + CHUNK]


def check(source: Any, target: Any) -> None:
    """Compare the bits of a part that lies across chunks with those in memory."""
    side, reach = source.shape[0], int(4 * SIGMA + 0.5)
    start, stop = max(side // 2 - 300, reach), min(side // 2 + 300, side - reach)
    around = source[start - reach : stop + reach, start - reach : stop + reach]
    expected = fastsep.gaussian(around, SIGMA, dtype=np.uint16)[reach:-reach, reach:-reach]
    same = np.array_equal(target[start:stop, start:stop], expected)
    print(f"the middle {'has the bits' if same else 'DIFFERS FROM THOSE'} of the result in memory")


def seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def most_memory() -> str:
    """The most that this process has had at a time, where the system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return "peak of memory unknown"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f"peak of memory {peak / MIB:,.0f} MiB, with Python and its packages"


if __name__ == "__main__":
    main()

"""A mosaic on a cluster of processes: smoothed, and its edges found, from store to store by dask.

    python -m pip install ".[examples]" && python examples/on_a_cluster.py --side 40000

Makes the store of zarr that `larger_than_memory.py` makes: 3.2 GB for 40,000 x 40,000 pixels. Each worker of the
cluster may take so much memory; its dashboard, at the address that is printed, shows what they do. Says how long that
took, and compares a part of the results with those in memory.
"""

from __future__ import annotations

import argparse
import pathlib
import tempfile
import time
from collections.abc import Sequence

import dask.array as da
import numpy as np
import zarr
from distributed import Client, LocalCluster, progress
from larger_than_memory import make_mosaic

import fastsep

CHUNK = (
    2000  # pixels along either side of what a task makes: four of the store's chunks; it holds up to nine such parts
)
SIGMA = 2.0
REACH = 32  # pixels around the part that is compared, more than its results depend on


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Filter a mosaic on a cluster of processes.")
    parser.add_argument(
        "--side", type=int, default=4000, metavar="N", help="of the mosaic, in pixels (default: %(default)s)"
    )
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes (default: %(default)s)")
    parser.add_argument("--memory", default="1GiB", metavar="SIZE", help="for each of them (default: %(default)s)")
    options = parser.parse_args(argv)
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(
            n_workers=options.workers, threads_per_worker=1, memory_limit=options.memory, host="127.0.0.1"
        ) as cluster,
        Client(cluster) as client,
    ):
        print(f"dashboard: {client.dashboard_link}")
        run(pathlib.Path(folder), options.side)


def run(folder: pathlib.Path, side: int) -> None:
    make_mosaic(folder / "mosaic.zarr", side)
    mosaic = da.from_zarr(folder / "mosaic.zarr", chunks=CHUNK)
    print(f"{side:,} x {side:,} {mosaic.dtype}: {mosaic.npartitions} chunks")
    results = {
        "smooth": fastsep.gaussian(mosaic, SIGMA, dtype=np.uint16),
        "edges": fastsep.canny(mosaic, SIGMA, 20, 40),
    }
    for name, result in results.items():
        target = zarr.create_array(
            folder / f"{name}.zarr", shape=result.shape, chunks=result.chunksize, dtype=result.dtype
        )
        start = time.perf_counter()
        stored = da.store(result, target, compute=False, lock=False).persist()
        progress(stored)
        stored.compute()
        print(f"\n{name}: {time.perf_counter() - start:.1f} s")
    check(mosaic, zarr.open_array(folder / "smooth.zarr"))


def check(mosaic: da.Array, smooth: zarr.Array) -> None:
    """Compare the bits of a part that lies across chunks with those in memory."""
    middle = mosaic.shape[0] // 2
    start, stop = max(middle - 300, REACH), middle + 300
    around = mosaic[start - REACH : stop + REACH, start - REACH : stop + REACH].compute()
    expected = fastsep.gaussian(around, SIGMA, dtype=np.uint16)[REACH:-REACH, REACH:-REACH]
    same = np.array_equal(smooth[start:stop, start:stop], expected)
    print(f"the middle {'has the bits' if same else 'DIFFERS FROM THOSE'} of the result in memory")


if __name__ == "__main__":
    main()

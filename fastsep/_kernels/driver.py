"""One parallel loop for every kernel: bands are called by address.

Nothing is inlined into the loop, so a serial run, a pool of threads and this loop execute the same
machine code, and the loop is compiled once, not once for each kernel.
"""

from __future__ import annotations

from numba import njit, prange

from fastsep._kernels.simd import call


@njit("void(int64, int64, int64)", parallel=True, nogil=True)
def run(address, block, bands):
    for band in prange(bands):
        call(address, block, band)

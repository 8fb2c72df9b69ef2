"""Which threads Numba uses, without entering a parallel region to find out."""

from __future__ import annotations

from numba import threading_layer
from numba.np.ufunc.parallel import _launch_threads


def layer() -> str:
    """Numba's threading layer. Running a parallel loop would tell too, but the workqueue layer
    aborts the process if another thread is in one at that moment."""
    _launch_threads()
    return str(threading_layer())

"""Which threads Numba uses, without entering a parallel region to find out."""

from __future__ import annotations

from numba import config, threading_layer
from numba.np.ufunc.parallel import _launch_threads


def layer() -> str:
    """Numba's threading layer; "none" where Numba is told not to compile.

    Running a parallel loop would tell too, but the workqueue layer aborts the process if another
    thread is in one at that moment.
    """
    if config.DISABLE_JIT:
        return "none"
    _launch_threads()
    return str(threading_layer())

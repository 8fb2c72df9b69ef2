"""What is measured: for every operation a function (image, parameters) that sets up who does it, and how."""

from benchmarks._contest import OPERATIONS
from benchmarks.operations import (  # they register their operations
    blocks,
    derivatives,
    edges,
    kernels,
    layers,
    missing,
    ndimage,
    order,
    smoothing,
)

__all__ = [
    "OPERATIONS",
    "blocks",
    "derivatives",
    "edges",
    "kernels",
    "layers",
    "missing",
    "ndimage",
    "order",
    "smoothing",
]

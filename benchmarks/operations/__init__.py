"""What is measured: for every operation a function (image, parameters) that sets up who does it, and how."""

from benchmarks._contest import OPERATIONS
from benchmarks.operations import (  # they register their operations
    derivatives,
    edges,
    kernels,
    layers,
    ndimage,
    order,
    smoothing,
)

__all__ = ["OPERATIONS", "derivatives", "edges", "kernels", "layers", "ndimage", "order", "smoothing"]

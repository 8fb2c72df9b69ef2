"""What is measured: for every operation a function (image, parameters) that sets up who does it, and how."""

from benchmarks._contest import OPERATIONS
from benchmarks.operations import derivatives, edges, kernels, layers, smoothing  # they register their operations

__all__ = ["OPERATIONS", "derivatives", "edges", "kernels", "layers", "smoothing"]

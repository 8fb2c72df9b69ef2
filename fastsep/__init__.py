"""Fast separable image filters with scikit-image's names and results, and convolution layers.

The path through the code: filters (what to call) -> taps (the numbers) -> plan (the decision) ->
run (bands and threads) -> kernels (the loops) -> simd (the register tiles). Public names are
imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastsep._config import show_config as show_config
    from fastsep._config import warmup as warmup
    from fastsep._explain import Explanation as Explanation
    from fastsep._explain import explain as explain
    from fastsep._run import get_num_threads as get_num_threads
    from fastsep._run import set_num_threads as set_num_threads
    from fastsep.conv import *  # noqa: F403
    from fastsep.corners import *  # noqa: F403
    from fastsep.correlation import *  # noqa: F403
    from fastsep.cost import *  # noqa: F403
    from fastsep.factor import *  # noqa: F403
    from fastsep.factor_bank import *  # noqa: F403
    from fastsep.factor_conv import *  # noqa: F403
    from fastsep.filters import *  # noqa: F403
    from fastsep.gaussians import *  # noqa: F403

__version__ = "0.1.0"

_HOMES = {
    "filters": (
        "box difference_of_gaussians farid farid_h farid_v gaussian laplace"
        " prewitt prewitt_h prewitt_v roberts roberts_neg_diag roberts_pos_diag"
        " scharr scharr_h scharr_v sobel sobel_h sobel_v unsharp_mask"
    ),
    "gaussians": "gaussian_gradient_magnitude gaussian_laplace",
    "corners": "corner_harris corner_shi_tomasi hessian_matrix structure_tensor",
    "edges": "apply_hysteresis_threshold canny gradient",
    "correlation": "convolve correlate correlate_bank separable_filter",
    "conv": "SeparableConv2D conv2d depthwise_conv2d pointwise_conv2d separable_conv2d",
    "cost": "ConvCost conv_cost",
    "factor": "Factorization RankOne factorize is_separable",
    "factor_bank": "BankFactorization factorize_bank",
    "factor_conv": "ConvFactorization factorize_conv",
    "_run": "get_num_threads set_num_threads",
    "_config": "show_config warmup",
    "_explain": "Explanation explain",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOMES and not name.startswith("_"):
        return import_module(f"fastsep.{name}")
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'fastsep' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"fastsep.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})

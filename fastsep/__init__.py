"""Fast image filters with scikit-image's names and results, edges, corners, and convolution layers.

    import fastsep

    smooth = fastsep.gaussian(image, sigma=2)        # any number of axes, any dtype
    strength = fastsep.sobel(image)                  # also scharr, prewitt, farid, roberts, laplace
    edges = fastsep.canny(image, sigma=2)
    dy, dx = fastsep.gradient(image)
    result = fastsep.correlate(image, kernel)        # any kernel, the cheapest way
    maps = fastsep.separable_conv2d(image, depthwise_kernel, pointwise_kernel)
    fastsep.explain(fastsep.gaussian, image, sigma=2)  # what a filter would do
    fastsep.filter_blocks(fastsep.gaussian, source, target, sigma=2)  # block by block, from disk to disk
    fastsep.patch()                                  # scikit-image's and SciPy's filters run as these

`fastsep.ndimage` has the filters of `scipy.ndimage` under SciPy's own rules.

`help(fastsep.filters)` describes the options that all filters share: borders, channels, dtypes,
`out`, `workers`; `help(fastsep.layers)` those of the layers.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers and editors, which do not see the table
    from fastsep import blocks as blocks
    from fastsep import corners as corners
    from fastsep import correlation as correlation
    from fastsep import edges as edges
    from fastsep import explanation as explanation
    from fastsep import factorization as factorization
    from fastsep import filters as filters
    from fastsep import gaussians as gaussians
    from fastsep import interpolation as interpolation
    from fastsep import layer_cost as layer_cost
    from fastsep import layers as layers
    from fastsep import morphology as morphology
    from fastsep import ndimage as ndimage
    from fastsep import peaks as peaks
    from fastsep import ranks as ranks
    from fastsep import scripts as scripts
    from fastsep import threads as threads
    from fastsep._engine.caches import clear_caches as clear_caches
    from fastsep._validation.scalars import ArgumentError as ArgumentError
    from fastsep.blocks import *  # noqa: F403
    from fastsep.corners import *  # noqa: F403
    from fastsep.correlation import *  # noqa: F403
    from fastsep.edges import *  # noqa: F403
    from fastsep.explanation import *  # noqa: F403
    from fastsep.factorization import *  # noqa: F403
    from fastsep.filters import *  # noqa: F403
    from fastsep.gaussians import *  # noqa: F403
    from fastsep.interpolation import *  # noqa: F403
    from fastsep.layer_cost import *  # noqa: F403
    from fastsep.layers import *  # noqa: F403
    from fastsep.morphology import *  # noqa: F403
    from fastsep.peaks import *  # noqa: F403
    from fastsep.ranks import *  # noqa: F403
    from fastsep.scripts import *  # noqa: F403
    from fastsep.threads import *  # noqa: F403


__version__ = "0.1.0"

# Public names by the modules that they are imported from when they are first used.
_HOMES = {
    "filters": (
        "box difference_of_gaussians farid farid_h farid_v gaussian laplace"
        " prewitt prewitt_h prewitt_v roberts roberts_neg_diag roberts_pos_diag"
        " scharr scharr_h scharr_v sobel sobel_h sobel_v unsharp_mask"
    ),
    "gaussians": "gaussian_gradient_magnitude gaussian_laplace",
    "corners": "corner_harris corner_shi_tomasi hessian_matrix structure_tensor",
    "morphology": "black_tophat closing dilation erosion opening white_tophat",
    "ranks": "median",
    "peaks": "peak_local_max",
    "edges": "apply_hysteresis_threshold canny gradient",
    "interpolation": "interpolate_missing",
    "correlation": "convolve correlate correlate_bank separable_filter",
    "layers": "Conv2D DepthwiseConv2D SeparableConv2D conv2d depthwise_conv2d pointwise_conv2d separable_conv2d",
    "layer_cost": "ConvCost conv_cost",
    "factorization": (
        "BankFactorization ConvFactorization Factorization RankOne factorize factorize_bank factorize_conv is_separable"
    ),
    "threads": "get_num_threads set_num_threads show_config warmup",
    "blocks": "filter_blocks",
    "scripts": "patch patched patched_calls unpatch",
    "explanation": "Explanation explain",
    "_engine.caches": "clear_caches",
    "_validation.scalars": "ArgumentError",
    "ndimage": "",  # other meanings of the same names
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}
# What IPython asks an extension for; no names for users.
_IPYTHON = ("load_ipython_extension", "unload_ipython_extension")
_MODULES = [home for home in _HOMES if not home.startswith("_")]


def _settle_cache_folder() -> None:
    """Let a relative FASTSEP_CACHE_DIR mean one folder, also after a `chdir` and in children that start elsewhere."""
    folder = os.environ.get("FASTSEP_CACHE_DIR")
    if folder and not folder.startswith("~") and not os.path.isabs(folder):
        try:  # noqa: SIM105 - importing contextlib takes longer than importing this package
            os.environ["FASTSEP_CACHE_DIR"] = os.path.abspath(folder)
        except OSError:  # started in a folder that is deleted
            pass


_settle_cache_folder()


def __dir__() -> list[str]:
    return ["__version__", *_HOME, *_MODULES]


if not TYPE_CHECKING:  # a type checker cannot read this list, and would believe in every name if it saw `__getattr__`
    __all__ = sorted(_HOME)

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return import_module(f"fastsep.{name}")
        home = "_ipython" if name in _IPYTHON else _HOME.get(name)
        if home is None:
            raise AttributeError(f"module 'fastsep' has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"fastsep.{home}"), name)
        return value

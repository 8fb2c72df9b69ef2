"""The functions that are replaced: where users find them, and where they are defined."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

#: Public modules by the names that `patch` knows them by.
TARGETS = {
    "skimage": ("skimage.filters", "skimage.feature", "skimage.morphology"),
    "scipy.ndimage": ("scipy.ndimage",),
}

#: Beginnings of the versions whose functions this package's have been compared with; those of others are left alone.
VERSIONS = {"skimage": "0.26."}

#: For each public module the modules that define its functions, which other modules of the package import them from.
#: Absent are `generic_laplace` and `generic_gradient_magnitude`, whose time is that of the derivatives they are given.
_DEFINED = {
    "skimage.filters": {
        "skimage._shared.filters": "gaussian",
        "skimage.filters._gaussian": "difference_of_gaussians",
        "skimage.filters._median": "median",
        "skimage.filters._unsharp_mask": "unsharp_mask",
        "skimage.filters.thresholding": "apply_hysteresis_threshold",
        "skimage.filters.edges": (
            "farid farid_h farid_v laplace prewitt prewitt_h prewitt_v roberts roberts_neg_diag roberts_pos_diag"
            " scharr scharr_h scharr_v sobel sobel_h sobel_v"
        ),
    },
    "skimage.feature": {
        "skimage.feature._canny": "canny",
        "skimage.feature.corner": "corner_harris corner_shi_tomasi hessian_matrix structure_tensor",
        "skimage.feature.peak": "peak_local_max",
    },
    "skimage.morphology": {
        "skimage.morphology.gray": "black_tophat closing dilation erosion opening white_tophat",
    },
    "scipy.ndimage": {
        "scipy.ndimage": (
            "black_tophat convolve convolve1d correlate correlate1d gaussian_filter gaussian_filter1d"
            " gaussian_gradient_magnitude gaussian_laplace grey_closing grey_dilation grey_erosion grey_opening laplace"
            " maximum_filter maximum_filter1d median_filter minimum_filter minimum_filter1d morphological_gradient"
            " morphological_laplace percentile_filter prewitt rank_filter sobel uniform_filter uniform_filter1d"
            " white_tophat"
        ),
    },
}

#: "skimage.filters.gaussian" -> "skimage._shared.filters"
HOMES = {
    f"{module}.{name}": home
    for module, homes in _DEFINED.items()
    for home, names in homes.items()
    for name in names.split()
}


def choose(targets: str | Iterable[str], only: str | Iterable[str] | None) -> frozenset[str]:
    """The public names that `patch` is to replace."""
    wanted = _several("targets", targets)
    for target in wanted:
        if target not in TARGETS:
            raise ValueError(f"`targets` must be of {', '.join(TARGETS)}; got {target!r}.")
    modules = tuple(module for target in wanted for module in TARGETS[target])
    found = {public for public in HOMES if module_of(public) in modules}
    if only is None:
        return frozenset(found)
    asked = _several("only", only)
    for name in asked:
        if not any(_is_meant(public, name) for public in found):
            raise ValueError(f"`only` must name functions of {', '.join(modules)} that fastsep has; got {name!r}.")
    return frozenset(public for public in found if any(_is_meant(public, name) for name in asked))


def _several(argument: str, names: Any) -> list[str]:
    """One name or several, as a list."""
    found = list(names) if isinstance(names, Iterable) and not isinstance(names, str | bytes) else [names]
    if not found or not all(isinstance(name, str) for name in found):
        raise TypeError(f"`{argument}` must be a name or several; got {names!r}.")
    return found


def _is_meant(public: str, name: str) -> bool:
    """Whether "gaussian" or "skimage.filters.gaussian" is what the user calls a function."""
    return name in (public, public.rpartition(".")[2])


def module_of(public: str) -> str:
    """The module that users find a function in."""
    return public.rpartition(".")[0]

"""The functions of scikit-image and SciPy that `patch` replaces, as they are without it, and arguments for them."""

import importlib
import inspect
import subprocess
import sys

import numpy as np

from fastsep._patch import wrappers

RNG = np.random.default_rng(3)
IMAGE = RNG.random((40, 41))
BYTES = RNG.integers(0, 256, IMAGE.shape, "u1")
CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], bool)

#: Arguments behind the image, for those functions that need some.
ARGUMENTS = {
    "difference_of_gaussians": (1, 2),
    "apply_hysteresis_threshold": (0.6, 0.9),
    "correlate1d": ([1, 2, 3],),
    "convolve1d": ([1, 2, 3],),
    "correlate": (np.arange(9.0).reshape(3, 3),),
    "convolve": (np.arange(9.0).reshape(3, 3),),
    "rank_filter": (2, 3),
    "percentile_filter": (30, 3),
    "hessian_matrix": (1, "constant", 0, "rc", False),
}
SIGMA = ("gaussian_filter", "gaussian_filter1d", "gaussian_laplace", "gaussian_gradient_magnitude")
#: Those that compare pixels only, or decide.
EXACT = ("median", "filter1d", "_filter", "erosion", "dilation", "opening", "closing", "tophat", "peak", "canny")


def original(public):
    module, _, name = public.rpartition(".")
    return inspect.unwrap(getattr(importlib.import_module(module), name), stop=lambda f: id(f) not in wrappers.made)


def arguments(public):
    name = public.rpartition(".")[2]
    return ARGUMENTS.get(name, (2,) if name in SIGMA else (3,) if public.startswith("scipy") and is_order(name) else ())


def is_order(name):
    return any(part in name for part in (*EXACT, "morphological", "uniform")) and not name.startswith("gaussian")


def image_for(public):
    """Of float32 where pixels are only compared: other tests need these kernels, too."""
    name = public.rpartition(".")[2]
    return IMAGE.astype("f4") if is_order(name) and "uniform" not in name and name != "canny" else IMAGE


def run(code, *arguments, **options):
    """Lines that a script prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=300, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def same(found, expected, public):
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other, public)
        return
    assert type(found) is type(expected)
    assert found.dtype == expected.dtype
    limit = 1e-12 if found.dtype == np.float64 else 0
    np.testing.assert_allclose(found, expected, rtol=limit, atol=100 * limit)

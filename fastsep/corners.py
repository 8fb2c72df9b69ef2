"""Structure tensor, Hessian and corners, with scikit-image's names and results.

The options are those of `fastsep.filters`. As in scikit-image, integer images are rescaled to [0, 1], or
[-1, 1] if signed (not for an integer `dtype`), and `mode` is "constant" by default. A C-contiguous
float32 or float64 image is read where it lies, any other is converted into one copy.
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy.typing as npt

from fastsep import filters
from fastsep._call import SKIMAGE, Builder, apply, apply_for_several
from fastsep._docs import complete
from fastsep._ops import structure
from fastsep._types import Floats, Mode
from fastsep._validation import arrays, scalars
from fastsep._validation import axes as _axes
from fastsep._validation.array_like import Array

__all__ = ["corner_harris", "corner_shi_tomasi", "hessian_matrix", "structure_tensor"]


def __dir__() -> list[str]:
    return __all__


Order = Literal["rc", "xy"]
Method = Literal["k", "eps"]


def structure_tensor(
    image: npt.ArrayLike,
    sigma: Floats = 1,
    mode: Mode = "constant",
    cval: float = 0,
    order: Order = "rc",
    *,
    workers: int | None = None,
) -> list[Array]:
    """Products of the derivatives along all pairs of axes, summed over a Gaussian window.

    A_ij = gaussian(d_i * d_j), with d_i the derivative of Sobel along axis i: (-1, 0, 1) along it
    and (1, 2, 1) along the others, not divided by anything. `mode`, `cval`, `workers`: see
    `fastsep.filters`.

    Parameters
    ----------
    image : array_like
        2 to 5 axes; axes of length 1 are removed first.
    sigma : float, one float per axis, or dict by dimension
        Standard deviation of the window in pixels.
    order : {"rc", "xy"}
        "rc" counts axes from the first, "xy", for two axes only, from the last.

    Returns
    -------
    list of ndarray
        The upper triangle of the matrix, row by row: for two axes (Arr, Arc, Acc), or (Axx, Axy,
        Ayy). float32 for float16 and float32 images, else float64.

    Raises
    ------
    ValueError
        For an empty image, another number of axes, an unknown `order`, "xy" for more than two axes,
        a bad `sigma` or `mode`.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> spot = np.zeros((5, 5))
    >>> spot[2, 2] = 1
    >>> tensor = fastsep.structure_tensor(spot, sigma=0.1)
    >>> tensor[0][1].tolist(), tensor[1][1].tolist()
    ([0.0, 1.0, 4.0, 1.0, 0.0], [0.0, 1.0, 0.0, -1.0, 0.0])
    """
    image = arrays.as_image(image)
    backwards = _axes.matrix_order(order, image.ndim) == "xy"
    image = arrays.squeezed(image, 5)
    tensor = _matrix(structure.structure_tensor, (sigma,), image, mode, cval, workers)
    return tensor[::-1] if backwards else tensor


def hessian_matrix(
    image: npt.ArrayLike,
    sigma: Floats = 1,
    mode: Mode = "constant",
    cval: float = 0,
    order: Order = "rc",
    use_gaussian_derivatives: bool | None = None,
    *,
    workers: int | None = None,
) -> list[Array]:
    """Second derivatives of the blurred image along all pairs of axes.

    Parameters
    ----------
    image : array_like
        Any number of axes, of at least 2 pixels each unless by Gaussian derivatives.
    sigma : float, one float per axis, or dict by dimension
        Standard deviation of the blur in pixels.
    order : {"rc", "xy"}
        "rc" counts axes from the first, "xy", for up to two axes only, from the last.
    use_gaussian_derivatives : bool
        True: two derivatives of a Gaussian of sigma / sqrt(2), one after the other, of taps that
        reach 8 of these, or 100 unless all sigmas are above 1. False: the image is blurred, and then
        numpy.gradient applied twice. Not given, it is False, with a FutureWarning as in
        scikit-image.

    Returns
    -------
    list of ndarray
        The upper triangle of the matrix, row by row: for two axes (Hrr, Hrc, Hcc), or (Hxx, Hxy,
        Hyy). float32 for float16 and float32 images, else float64.

    Raises
    ------
    ValueError
        For an image that is too small, an unknown `order`, "xy" for more than two axes, a bad
        `sigma` or `mode`.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> bowl = np.add.outer(np.arange(7.0) ** 2, np.zeros(7))
    >>> hessian = fastsep.hessian_matrix(bowl, sigma=0.1, use_gaussian_derivatives=False)
    >>> [element[3, 3].item() for element in hessian]
    [2.0, 0.0, 0.0]
    """
    image = arrays.as_image(image)
    backwards = _axes.matrix_order(order, image.ndim) == "xy"
    if use_gaussian_derivatives is None:
        warnings.warn(
            "use_gaussian_derivatives currently defaults to False and will default to True, as in scikit-image;"
            " pass one of them",
            FutureWarning,
            stacklevel=2,
        )
    if not use_gaussian_derivatives:
        arrays.need_pixels(image, 2)
    parameters = (sigma, backwards, bool(use_gaussian_derivatives))
    return _matrix(structure.hessian, parameters, image, mode, cval, workers)


def corner_harris(
    image: npt.ArrayLike,
    method: Method = "k",
    k: float = 0.05,
    eps: float = 1e-6,
    sigma: Floats = 1,
    *,
    mode: Mode = "constant",
    cval: float = 0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Response of Harris and Stephens: large at corners, negative at edges.

    det(A) - k * trace(A)**2, with A the `structure_tensor` ("A Combined Corner and Edge Detector",
    1988); or 2 * det(A) / (trace(A) + eps), without k (Noble, "Finding Corners", 1988).

    Parameters
    ----------
    image : array_like
        2 axes; axes of length 1 are removed first.
    method : {"k", "eps"}
        Which of the two.
    k : float
        From 0 to 0.2: the smaller, the more edges pass for corners.
    eps : float
        Keeps flat regions from dividing by zero.
    sigma : float, one float per axis, or dict by dimension
        Standard deviation of the tensor's window in pixels.

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> square = np.zeros((8, 8))
    >>> square[2:, 2:] = 1
    >>> response = fastsep.corner_harris(square, mode="nearest")
    >>> np.unravel_index(response.argmax(), response.shape) == (2, 2)
    True
    """
    scalars.one_of("method", method, ("k", "eps"))
    k, eps = scalars.finite("k", k), scalars.finite("eps", eps)
    measure = ("harris", k) if method == "k" else ("noble", eps)
    image = arrays.squeezed(arrays.as_image(image), 2)
    return apply(structure.corners, (*measure, sigma), image, mode, cval, None, SKIMAGE, dtype, out, workers)


def corner_shi_tomasi(
    image: npt.ArrayLike,
    sigma: Floats = 1,
    *,
    mode: Mode = "constant",
    cval: float = 0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    """Response of Shi and Tomasi: the smaller eigenvalue of the `structure_tensor`.

    (trace(A) - sqrt((Arr - Acc)**2 + 4 * Arc**2)) / 2 ("Good Features to Track", 1994,
    doi:10.1109/CVPR.1994.323794).

    Examples
    --------
    >>> import numpy as np, fastsep
    >>> square = np.zeros((8, 8))
    >>> square[2:, 2:] = 1
    >>> response = fastsep.corner_shi_tomasi(square, mode="nearest")
    >>> np.unravel_index(response.argmax(), response.shape) == (2, 2)
    True
    """
    image = arrays.squeezed(arrays.as_image(image), 2)
    parameters = ("shi_tomasi", 0.0, sigma)
    return apply(structure.corners, parameters, image, mode, cval, None, SKIMAGE, dtype, out, workers)


complete((structure_tensor, hessian_matrix, corner_harris), filters.__doc__)
complete((corner_shi_tomasi,), corner_harris.__doc__)


def _matrix(
    builder: Builder, parameters: tuple[Any, ...], image: Array, mode: Any, cval: Any, workers: Any
) -> list[Array]:  # fmt: skip
    """The upper triangle of a matrix."""
    outs = [None] * (image.ndim * (image.ndim + 1) // 2)
    return apply_for_several(builder, parameters, image, mode, cval, None, SKIMAGE, None, outs, workers)

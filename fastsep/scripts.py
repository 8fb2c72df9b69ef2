"""Scripts that call scikit-image and SciPy, made faster as they are: their functions replaced by those of this package.

Replaced are the functions of `skimage.filters`, `skimage.feature`, `skimage.morphology` and `scipy.ndimage` that this
package has under the same name, wherever modules hold them, but for `generic_laplace` and `generic_gradient_magnitude`.
What stands in their place looks at each call. One that this package answers with the same result, to the rounding that
`fastsep.filters` and `fastsep.ndimage` state, goes to it. Any other goes to the original, and so do

- the first calls of a program, until loading fastsep pays, which takes 0.07 s: at a call of which the original takes
  about 0.08 s, or when all have taken 0.2 s, as functions, pixels and windows tell (no clock does, so that results are
  the same in every run; a program that uses fastsep itself has loaded it);
- images of fewer than 1024 pixels, for which compiling takes longer than filtering saves, and in SciPy's linear filters
  single lines of fewer than 8192, for which the original is as quick;
- arrays that are no plain `numpy.ndarray` or `numpy.memmap`, such as lists, masked arrays and `numpy.matrix`;
- dtypes that are complex, objects, wider than float64 or of another byte order, and float16 in SciPy's functions;
- arguments whose meaning differs deliberately, such as negative axes of `sobel`, those that are no numbers, tuples,
  lists or arrays, NumPy's numbers of fewer than 64 bits, and whatever this package refuses: errors are the original's;
- functions of several steps whose `output` shares memory with their input;
- NaN among the pixels of minima, maxima, ranks and grey morphology, NaN, infinity and huge values in `uniform_filter`,
  and integers beyond 2**53 (2**40 in `uniform_filter`; with sums beyond 32 bits in linear filters): all pixels are
  looked at for that;
- `canny` of float16 and float32 images, and `hessian_matrix` without `use_gaussian_derivatives`, which warns;
- all of a scikit-image that is not of version 0.26.

As in `fastsep.filters` and `fastsep.ndimage`, float32 values beyond some 1e38 may become infinite within the window of
a linear filter, and an infinite pixel may make differences of pixels NaN, without NumPy's warning; no image is looked
through for that.

Names in all modules change. So one that was bound before `patch` is no original to compare with: its `__wrapped__` is.

Signatures, docstrings and `__wrapped__` are those of the originals. Functions are pickled by their public name and are
the originals in a process where nothing is patched. Nothing is printed, and no file of another package is changed.

Not reached are functions that something else than a module holds already: default arguments, closures,
`functools.partial`, attributes of classes and instances, containers; nor those that are later taken from where they are
defined, such as `skimage.morphology.gray`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from fastsep._patch import patching, tally
from fastsep._patch.targets import choose

__all__ = ["patch", "patched", "patched_calls", "unpatch"]


def __dir__() -> list[str]:
    return __all__


def patch(
    targets: str | Iterable[str] = ("skimage", "scipy.ndimage"),
    *,
    only: str | Iterable[str] | None = None,
    internal: bool = False,
) -> None:
    """Let scikit-image's and SciPy's filters run as this package's, in all of this process.

    It may be called before or after these packages are imported, and imports neither. A later call replaces what an
    earlier one has asked for. Notes of `fastsep.scripts` tell which calls run as before.

    Parameters
    ----------
    targets : str or several
        "skimage", "scipy.ndimage" or both.
    only : str or several, optional
        Names of functions, such as "gaussian" or "skimage.filters.gaussian". Default: all.
    internal : bool
        Also speed up the calls that scikit-image and SciPy make themselves, such as those of Gaussians in
        `skimage.feature.blob_log` and `skimage.transform.pyramid_reduce`. Of float32 images these are only those that
        compare pixels, because sums in float32 would show in the last places of what is made of them.

    Raises
    ------
    ValueError
        For another target, or a function that is not among those of `targets`.
    TypeError
        For names that are no strings, none at all, and an `internal` that is no bool.

    See Also
    --------
    patched : for a block of code only.
    patched_calls : tells what ran fast.
    unpatch : undoes it.

    Examples
    --------
    >>> import numpy as np, fastsep, scipy.ndimage
    >>> fastsep.patch()
    >>> scipy.ndimage.gaussian_filter(np.ones((64, 64)), 2).mean().round(6).item()
    1.0
    >>> fastsep.unpatch()
    """
    if internal not in (True, False):
        raise TypeError(f"`internal` must be True or False; got {internal!r}.")
    patching.change((choose(targets, only), bool(internal)))


def unpatch() -> None:
    """Undo `patch`: all names in modules are what they were, also those that were bound meanwhile.

    Examples
    --------
    >>> import fastsep
    >>> fastsep.unpatch()
    """
    patching.change(None)


@contextmanager
def patched(
    targets: str | Iterable[str] = ("skimage", "scipy.ndimage"),
    *,
    only: str | Iterable[str] | None = None,
    internal: bool = False,
) -> Iterator[None]:
    """`patch` for a block of code, in all threads; then what was patched before is patched again.

    Parameters
    ----------
    targets, only, internal
        As in `patch`.

    Examples
    --------
    >>> import numpy as np, fastsep, scipy.ndimage
    >>> with fastsep.patched(only="median_filter"):
    ...     found = scipy.ndimage.median_filter(np.eye(64), 3)
    >>> found.max().item()
    0.0
    """
    before = patching.current()
    patch(targets, only=only, internal=internal)
    try:
        yield
    finally:
        patching.change(before)


def patched_calls() -> dict[str, dict[str, Any]]:
    """How many calls of patched functions ran fast, and how many ran the original and why, in this process so far.

    Returns
    -------
    calls : dict
        By the name of each function that was called: `"fast"`, a number of calls, and `"original"`, numbers of calls by
        reasons. Calls of other processes are not among them.

    Examples
    --------
    >>> import numpy as np, fastsep, scipy.ndimage
    >>> with fastsep.patched():
    ...     found = scipy.ndimage.prewitt(np.eye(8))
    >>> fastsep.patched_calls()["scipy.ndimage.prewitt"]
    {'fast': 0, 'original': {'small image': 1}}
    """
    return {
        function: {
            "fast": calls.fast.calls,
            "original": {reason: each.calls for reason, each in calls.original.items()},
        }
        for function, calls in tally.calls.copy().items()
        if calls.fast.calls or calls.original
    }

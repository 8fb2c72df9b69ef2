"""Images that are larger than memory: filtered block by block, from one array into another."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

from fastsep._arrays.blocks.run import run

__all__ = ["filter_blocks"]


def __dir__() -> list[str]:
    return __all__


def filter_blocks(
    function: Callable[..., Any],
    source: Any,
    target: Any,
    *args: Any,
    block: int | Sequence[int] | None = None,
    memory: int = 256 << 20,
    progress: bool | Callable[[int, int], object] | None = None,
    journal: str | os.PathLike[str] | Literal[False] | None = None,
    resume: bool = False,
    **kwargs: Any,
) -> None:
    """Filter an image block by block, without ever holding all of it in memory.

    The next block is read and the last one written while one is filtered on all cores. The results are, bit for
    bit, those of `function(image, *args, **kwargs)` for the image in memory. (A Fourier transform, as in
    `correlate` with large kernels, rounds otherwise, and so may what `fastsep.ndimage` passes on to SciPy.)

    Parameters
    ----------
    function : callable
        A function of this package, `fastsep.ndimage` included, but for `peak_local_max`, layers and functions that
        take a derivative of one's own; `canny` without quantiles, `apply_hysteresis_threshold` with numbers.
    source : array
        The image: anything with `shape`, `dtype` and slices that make NumPy arrays, such as `numpy.memmap`, an
        array of zarr, a dataset of h5py, or what `tifffile.imread(path, aszarr=True)` opens by zarr.
    target : array or tuple of arrays
        Where results go, of the shape of the result; several for functions of several results, such as
        `gradient(output=("dy", "dx"))`. Its dtype is what is asked for: a function that takes `dtype` (of
        `fastsep.ndimage`, `output`) gets it where its result would have another one.
    *args, **kwargs
        Other arguments of `function`. Of an array `mask` the blocks go with those of the image.
    block : int or one int per axis, optional
        Pixels of a block, halo not included. Default: multiples of the chunks of both arrays, for which `memory`
        is enough; whole rows where there are none.
    memory : int
        Bytes to keep to, about, beside what Python and the packages take themselves. Default: 256 MiB.
    progress : bool or callable, optional
        True: a bar by tqdm if that is installed, else a line that counts; or a function of two numbers, of
        finished and of all blocks (of both passes, where edges are followed).
    journal : path or False, optional
        File that lists the finished blocks, while there is work to do: its first lines appear after some
        seconds. Default: beside a file or store that `target` is in, that name and ".fastsep-journal"; for other
        arrays, and if it is False, none.
    resume : bool
        Leave out the blocks that the journal lists; without one, all are filtered.

    Raises
    ------
    TypeError
        If `function`, `source` or `target` is not what it has to be.
    ValueError
        For a `target` of another shape or dtype than the result, or one that shares memory or a file with the
        `source`, unless the function looks at single pixels; where `memory` is not enough for a block; if `resume`
        finds a journal of other arguments, arrays or blocks.
    Whatever the function raises for its arguments.

    Notes
    -----
    A block is listed after its results have left this process, and files that `numpy.memmap` maps have been synced
    to the disk: so the journal holds after the process has died, and for such files after a loss of power. Of a
    source that is a file, size and time of change are compared, of an array in memory some thousand of its values,
    of a store shape and dtype.

    Edges, of `canny` and `apply_hysteresis_threshold`, are followed in two passes, and the journal lists the blocks of
    both. The first one writes to `target` the edges that each block finds by itself. Of the weak pixels that hang
    together with a face shared with another block, and of the edges there, it keeps the positions: in memory, and where
    there is a journal in a second file, of its name and ".edges", which is on the disk before the journal says so. The
    second one joins these and adds to blocks in `target` what others make edges.

    Nothing is copied where both arrays are in memory or mapped files, blocks are whole rows, and a single kernel makes
    the result, in its own dtype. A new file gets its room on the disk first; one that exists is written past its map
    unless the system has it in memory. Of mapped files, `memory` bytes may stay in the memory of the process.

    A method that `correlate` chooses by looking for NaN and infinity is chosen for the whole image: all of it is read
    once before.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np, fastsep
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     source = np.memmap(os.path.join(folder, "source"), np.uint8, "w+", shape=(3000, 2000))
    ...     target = np.memmap(os.path.join(folder, "target"), np.float32, "w+", shape=source.shape)
    ...     source[1000:2000] = 255
    ...     fastsep.filter_blocks(fastsep.gaussian, source, target, sigma=2, memory=2**24)
    ...     target[[900, 998, 1001, 1100], 0].astype(float).round(2).tolist()
    [0.0, 0.22, 0.78, 1.0]
    """
    run(function, source, target, args, kwargs, block, memory, journal, resume, progress)

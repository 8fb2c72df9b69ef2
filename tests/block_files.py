"""What the tests of `filter_blocks` share: arrays in files, work that is interrupted, and refusals."""

import numpy as np
import pytest

from fastsep import filter_blocks


class Stopped(Exception):
    pass


def mapped(path, values):
    """A file with these values, as an array."""
    array = np.memmap(path, values.dtype, "w+", shape=values.shape)
    array[...] = values
    return array


def stop_after(count, *args, **options):
    """Begin, and fail when so many blocks are written."""

    def stop(done, total):
        if done == count:
            raise Stopped

    with pytest.raises(Stopped):
        filter_blocks(*args, progress=stop, **options)


def refused(kind, message, function, source, target, *args, **options):
    """An exception of one line, before anything is written."""
    before = np.array(target) if isinstance(target, np.ndarray) else None
    with pytest.raises(kind) as caught:
        filter_blocks(function, source, target, *args, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    if before is not None:
        np.testing.assert_array_equal(target, before)

"""What an array around another one is asked for, of whatever package it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Wrapper:
    """An image that has another array inside, on which a call runs."""

    inner: Any  # that array

    def by_position(self, names: Sequence[str], values: Sequence[Any]) -> Sequence[Any]:
        """Arguments without names of dimensions in them. `names`: of the arguments, of the first ones at least."""
        return values

    def target(self, out: Any) -> Any:
        """The array to write into that `out` has inside; None stays None."""
        raise NotImplementedError

    def result(self, values: Any, out: Any) -> Any:
        """A result, which has the axes of the image and perhaps more behind them, in an array of its kind, or `out`.

        With a `stride` it has fewer pixels along these axes.
        """
        raise NotImplementedError

    def feature_maps(self, values: Any, out: Any, channels_first: bool) -> Any:
        """The result of a layer: rows and columns may be fewer, and channels are other ones."""
        return self.result(values, out)

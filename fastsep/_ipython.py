"""What IPython calls for `%load_ext fastsep` and `%unload_ext fastsep`."""

from __future__ import annotations

from typing import Any

from fastsep.scripts import patch, unpatch


def load_ipython_extension(shell: Any) -> None:
    """Replace functions, also those that the notebook has imported already."""
    patch()


def unload_ipython_extension(shell: Any) -> None:
    """Put the originals back."""
    unpatch()

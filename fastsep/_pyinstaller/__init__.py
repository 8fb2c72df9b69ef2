"""Where PyInstaller finds what it cannot see in the code; it asks by an entry point of the package."""

from __future__ import annotations

import os


def hook_dirs() -> list[str]:
    """The folder of the hook."""
    return [os.path.dirname(__file__)]

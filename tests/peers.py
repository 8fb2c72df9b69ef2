"""Runs the test files of SciPy and scikit-image with fastsep's functions in the place of theirs.

    python tests/peers.py scipy FOLDER [options of pytest]
    python tests/peers.py scikit-image FOLDER [options of pytest]
    python tests/peers.py astropy FOLDER [options of pytest]

FOLDER holds the peer's own test files: the wheels of SciPy and astropy bring them along, in `scipy/ndimage/tests` and
`astropy/convolution/tests`; those of scikit-image are in its source release, and one folder has to hold all three. With
`--theirs` the peer is tested itself, which tells a fault of ours from one of the peer or of the machine.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from unittest import mock

import pytest


@dataclass(frozen=True)
class Peer:
    files: tuple[str, ...]
    deselected: dict[str, str]  # what the name of a test holds, and why it is not run


PEERS = {
    "scipy": Peer(
        ("test_filters.py", "test_morphology.py", "test_datatypes.py"),
        {"test_gh_5430": "tests a private function of SciPy's"},
    ),
    "scikit-image": Peer(
        ("test_median.py", "test_gray.py", "test_peak.py"),
        {
            "[rank-": "tests a filter that is refused",
            "-rank": "tests a filter that is refused",
            "test_gray_morphology": "downloads what it expects",
            "test_cube_decomposition": "downloads its image",
            "test_octahedron_decomposition": "downloads its image",
        },
    ),
    "astropy": Peer(
        ("test_convolve.py",),
        {
            "test_quantity": "tests astropy's physical units",
            "convolve_fft": "tests astropy's transform alone",
            "test_exceptions": "expects astropy's words for images that are refused",
            "test_int_masked_kernel": "expects astropy's words for masked kernels",
            "test_convolve_masked_kernel": "expects astropy's words for masked kernels",
            "test_convolve_nan_zero_sum": "expects astropy's words for kernels whose sum is 0",
            "test_invalid_array": "expects a TypeError for an image that is a string; a ValueError says what to do",
        },
    ),
}
#: Functions by the modules that the tests of scikit-image and astropy take them from.
FUNCTIONS = {
    "scikit-image": {
        "skimage.filters": ("median",),
        "skimage.morphology.gray": ("erosion", "dilation", "opening", "closing", "white_tophat", "black_tophat"),
        "skimage.feature.peak": ("peak_local_max",),
    },
    "astropy": {"astropy.convolution.convolve": ("convolve",)},
}


class InPlaceOfSciPy:
    """A plugin of pytest: `from scipy import ndimage` gives test files, and nobody else, a module of ours."""

    def __init__(self, ours: ModuleType) -> None:
        from scipy import ndimage
        from scipy._lib._array_api import xp_capabilities_table as capabilities

        self.ours = ours
        # SciPy's decorators of tests look up what a function promises for other libraries' arrays.
        for name in ndimage.__all__:
            capabilities.setdefault(getattr(ours, name), capabilities.get(getattr(ndimage, name)))

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self):
        # No longer than that: what we pass on to SciPy must not come back.
        with mock.patch("scipy.ndimage", self.ours):
            return (yield)


class Deselect:
    """A plugin of pytest: leaves tests out and says why."""

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons

    def pytest_collection_modifyitems(self, config, items):
        left_out = [item for item in items if any(name in item.name for name in self.reasons)]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)

    def pytest_terminal_summary(self, terminalreporter):
        for name, reason in self.reasons.items():
            terminalreporter.write_line(f"left out: {name} {reason}")


@contextmanager
def replaced(functions: dict[str, tuple[str, ...]], ours: ModuleType) -> Iterator[None]:
    """Attributes of modules are those of the same name of `ours`."""
    with ExitStack() as stack:
        for module, names in functions.items():
            for name in names:
                stack.enter_context(mock.patch.object(importlib.import_module(module), name, getattr(ours, name)))
        yield


def run(name: str, folder: Path, options: list[str], theirs: bool = False) -> int:
    """Pytest's exit code."""
    peer = PEERS[name]
    files = [folder / file for file in peer.files]
    absent = [str(file) for file in files if not file.is_file()]
    if absent:
        raise SystemExit(f"not there: {', '.join(absent)}")
    plugins: list[object] = [Deselect(peer.deselected)]
    functions = {} if theirs else FUNCTIONS.get(name, {})
    ours = importlib.import_module("as_astropy" if name == "astropy" else "fastsep")
    if not theirs and name == "scipy":
        plugins.append(InPlaceOfSciPy(importlib.import_module("fastsep.ndimage")))
    # The options of this project's own tests are not for theirs.
    settings = ["-c", os.devnull, "--rootdir", str(folder), "-p", "no:cacheprovider"]
    with replaced(functions, ours):
        return int(pytest.main([*settings, *map(str, files), *options], plugins))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("folder", type=Path, help="holds the peer's test files")
    parser.add_argument("--theirs", action="store_true", help="test the peer itself")
    arguments, options = parser.parse_known_args()
    return run(arguments.peer, arguments.folder.resolve(), options, arguments.theirs)


if __name__ == "__main__":
    sys.exit(main())

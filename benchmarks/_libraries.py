"""Who takes part: how each library is found, how it is told its number of threads, and what it calls itself."""

from __future__ import annotations

import benchmarks._timing  # noqa: F401 - the environment is set before OpenMP reads it

# isort: split

import importlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

NOT_INSTALLED = "not installed"


@dataclass(frozen=True)
class Library:
    modules: tuple[str, ...]  # all of them are needed
    distribution: str  # its name among the installed packages
    threads: str  # how it is told its number: "call", "process" (a setting of the whole process) or "one"
    settle: Callable[[int], object] | None = None  # sets the number of the process


def _opencv(threads: int) -> None:
    load("OpenCV").setNumThreads(threads)


def _diplib(threads: int) -> None:
    load("DIPlib").SetNumberOfThreads(threads)


def _torch(threads: int) -> None:
    load("torch").set_num_threads(threads)


LIBRARIES = {
    "fastsep": Library(("fastsep",), "fastsep", "call"),
    "OpenCV": Library(("cv2",), "opencv-python-headless", "process", _opencv),
    "scikit-image": Library(("skimage",), "scikit-image", "one"),
    "SciPy": Library(("scipy.ndimage",), "scipy", "one"),
    "DIPlib": Library(("diplib",), "diplib", "process", _diplib),
    "Pillow": Library(("PIL.Image",), "pillow", "one"),
    "ONNX Runtime": Library(("onnxruntime", "onnx"), "onnxruntime", "call"),
    "torch": Library(("torch",), "torch", "process", _torch),
    "NumPy": Library(("numpy",), "numpy", "one"),
}


@cache
def missing(name: str) -> tuple[str, ...]:
    """The modules of a library that are not installed."""
    absent = []
    for module in LIBRARIES[name].modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not module.startswith(error.name):
                raise  # it is there, and something that it needs is not
            absent.append(module)
    return tuple(absent)


def load(name: str) -> Any:
    """The first module of a library."""
    return importlib.import_module(LIBRARIES[name].modules[0])


def settle(name: str, threads: int) -> None:
    """Tell a library how many threads its next calls may use, where that is a setting of the process."""
    library = LIBRARIES.get(name)  # a limit of the machine is none
    if library is not None and library.settle is not None:
        library.settle(threads)


def versions() -> dict[str, str]:
    """Version of every library, or that it is missing."""
    found = {}
    for name, library in LIBRARIES.items():
        if missing(name):
            found[name] = NOT_INSTALLED
        else:
            try:
                found[name] = importlib.metadata.version(library.distribution)
            except importlib.metadata.PackageNotFoundError:  # OpenCV comes in four distributions
                found[name] = str(getattr(load(name), "__version__", "unknown"))
    return found

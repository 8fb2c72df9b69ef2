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

from fastsep._cli.errors import one_line

NOT_INSTALLED = "not installed"
LONGEST = 100  # characters of a reason: some libraries add where in their source they were


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
def missing(name: str) -> str:
    """Why a library cannot take part; empty where it can."""
    absent = []
    for module in LIBRARIES[name].modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # a damaged installation may raise anything
            if not (isinstance(error, ModuleNotFoundError) and error.name in (module, module.partition(".")[0])):
                return f"{module} cannot be imported: {reason(error)}"
            absent.append(module)
    return f"{' and '.join(absent)} {NOT_INSTALLED}" if absent else ""


def reason(error: Exception) -> str:
    """What another library raised, in one line of bearable length."""
    text = one_line(str(error)) or type(error).__name__
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


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
        if why := missing(name):
            found[name] = NOT_INSTALLED if why.endswith(NOT_INSTALLED) else why
        else:
            try:
                found[name] = importlib.metadata.version(library.distribution)
            except importlib.metadata.PackageNotFoundError:  # OpenCV comes in four distributions
                found[name] = str(getattr(load(name), "__version__", "unknown"))
    return found

"""Who takes part: how each library is found, how it is told its number of threads, and what it calls itself."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

OURS = "fastsep"


@dataclass(frozen=True)
class Library:
    modules: tuple[str, ...]  # all of them are needed
    distribution: str  # its name among the installed packages
    one_thread: bool = False  # it has no more
    settle: Callable[[Any, int], object] | None = None  # sets their number, where that is one of the whole process


LIBRARIES = {
    OURS: Library(("fastsep",), "fastsep"),
    "OpenCV": Library(("cv2",), "opencv-python-headless", settle=lambda module, threads: module.setNumThreads(threads)),
    "scikit-image": Library(("skimage",), "scikit-image", one_thread=True),
    "SciPy": Library(("scipy.ndimage",), "scipy", one_thread=True),
    "DIPlib": Library(("diplib",), "diplib", settle=lambda module, threads: module.SetNumberOfThreads(threads)),
    "Pillow": Library(("PIL.Image",), "pillow", one_thread=True),
    "astropy": Library(("astropy.convolution",), "astropy", one_thread=True),
    "dask-image": Library(("dask_image.ndfilters", "dask.array"), "dask-image"),
    "ONNX Runtime": Library(("onnxruntime", "onnx"), "onnxruntime"),
    "OpenVINO": Library(("openvino", "onnx"), "openvino"),
    "torch": Library(("torch",), "torch", settle=lambda module, threads: module.set_num_threads(threads)),
    "NumPy": Library(("numpy",), "numpy", one_thread=True),
}


@cache
def missing(name: str) -> str:
    """Why a library cannot take part; empty where it can."""
    absent = []
    for module in LIBRARIES[name].modules:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name not in (module, module.partition(".")[0]):
                return f"{module} cannot be imported: {error}"
            absent.append(module)
        except Exception as error:  # a damaged installation may raise anything
            return f"{module} cannot be imported: {' '.join(str(error).split()) or type(error).__name__}"
    return f"{' and '.join(absent)} not installed" if absent else ""


def load(name: str) -> Any:
    """The first module of a library."""
    return importlib.import_module(LIBRARIES[name].modules[0])


def settle(name: str, threads: int) -> None:
    """Tell a library how many threads its next calls may use, where that is a setting of the process."""
    library = LIBRARIES.get(name)  # a limit of the machine is none
    if library is not None and library.settle is not None:
        library.settle(load(name), threads)


def has_one_thread(name: str) -> bool:
    return name in LIBRARIES and LIBRARIES[name].one_thread


def versions() -> dict[str, str]:
    """Version of every library, or why it is missing."""
    return {name: _version(name) for name in LIBRARIES if name != OURS}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(LIBRARIES[name].distribution)
    except importlib.metadata.PackageNotFoundError:  # OpenCV comes in four distributions
        return missing(name) or str(getattr(load(name), "__version__", "unknown"))

"""PyInstaller's hook for fastsep: what an application needs that no import statement names."""

import os

from PyInstaller.utils.hooks import copy_metadata

import fastsep
from fastsep import factorization
from fastsep._engine.config import PACKAGES
from fastsep._kernels.fingerprint import HERE, modules

# The homes of public names, and the modules of kernels, are imported by name when they are first used.
hiddenimports = [f"fastsep.{home}" for home in fastsep._HOMES]
hiddenimports += [name for name, _ in modules(HERE, "fastsep._kernels")]
hiddenimports += [name for name, _ in modules(os.path.dirname(factorization.__file__), "fastsep.factorization")]
# So are the checks of calls that are patched.
hiddenimports += ["fastsep._patch.scipy_calls", "fastsep._patch.skimage_calls"]
# So is what handles arrays of other packages. These are no part of an application that does not import them itself.
arrays = os.path.join(os.path.dirname(fastsep.__file__), "_arrays")
hiddenimports += ["fastsep._arrays", *(name for name, _ in modules(arrays, "fastsep._arrays"))]
excludedimports = ["dask", "xarray"]
# Cached kernels are named by the versions of what compiled them.
datas = [item for name in PACKAGES for item in copy_metadata(name)]

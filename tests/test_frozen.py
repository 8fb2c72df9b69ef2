"""An application that PyInstaller packs with the package's own hook."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastsep
from fastsep import _pyinstaller

APPLICATION = """
import sys
import numpy as np
import fastsep

image = np.add.outer(np.arange(40.0), np.arange(50.0)).astype(np.float32)
blurred = fastsep.gaussian(image, 2)
edges = fastsep.sobel(image)
found = fastsep.correlate(image, [[0, 1, 0], [1, -4, 1], [0, 1, 0]])
layer = fastsep.pointwise_conv2d(image[..., None], np.ones((1, 2), np.float32))
assert abs(float(blurred[20, 25]) - 45) < 1e-3 and abs(float(edges[20, 25]) - 2) < 1e-5
assert float(found[20, 25]) == 0 and layer.shape == (40, 50, 2)


class Lender:
    def __dlpack__(self, **options):
        return image.__dlpack__(**options)

    def __dlpack_device__(self):
        return 1, 0


assert np.array_equal(fastsep.gaussian(Lender(), 2), blurred)
assert not {"dask", "xarray"} & set(sys.modules)
print("compiled" if "numba" in sys.modules else "loaded")
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "linux" and not shutil.which("objdump"), reason="PyInstaller needs objdump")
def test_a_frozen_application_compiles_once_and_then_loads(tmp_path):
    (tmp_path / "application.py").write_text(APPLICATION)
    home = Path(fastsep.__file__).parents[1]
    options = ["--onedir", "--noconfirm", "--log-level", "ERROR", "--paths", str(home)]
    options += [f"--additional-hooks-dir={folder}" for folder in _pyinstaller.hook_dirs()]
    subprocess.run(
        [sys.executable, "-m", "PyInstaller", *options, "application.py"],
        cwd=tmp_path, check=True, capture_output=True, text=True,
        env=os.environ | {"PYINSTALLER_CONFIG_DIR": str(tmp_path / "settings"), "PYTHONPATH": str(home)},
    )  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "FASTSEP_CACHE_DIR")}
    environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    said = [
        subprocess.run(
            [tmp_path / "dist" / "application" / "application"], cwd=tmp_path, check=True, env=environment,
            stdout=subprocess.PIPE, text=True,
        ).stdout.strip()
        for _ in range(2)
    ]  # fmt: skip
    assert said == ["compiled", "loaded"]

"""What a type checker knows of the package: every public name with its signature, and nothing else."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import fastsep
from fastsep import corners, correlation, edges, filters, gaussians, morphology, ndimage, ranks
from fastsep._arrays import labelled

PACKAGE = Path(fastsep.__file__).parent

# An ignored error that does not occur is an error itself, with --warn-unused-ignores, which is part of --strict.
PROGRAM = """
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import fastsep
from fastsep import canny, edges, filters, ndimage
from fastsep import bilateral  # type: ignore[attr-defined]
from fastsep.filters import bilateral_filter  # type: ignore[attr-defined]

Array = npt.NDArray[Any]
image = np.ones((8, 9))

# results
assert_type(fastsep.gaussian(image), Array)
assert_type(canny([[0.0, 1.0], [1.0, 0.0]], sigma=2), Array)
assert_type(fastsep.erosion(image, [(image, 2)], mode="ignore"), Array)
assert_type(fastsep.median(image, [[1, 1]], None, "wrap"), Array)
assert_type(ndimage.median_filter(image, np.int64(3), axes=np.array([0, 1])), Array)
assert_type(fastsep.peak_local_max(image, 3, exclude_border=(0, 1)), Array)
assert_type(fastsep.apply_hysteresis_threshold(image, 0.1, image), Array)
assert_type(fastsep.structure_tensor(image), list[Array])
assert_type(fastsep.factorize([[1, 2, 1]]), fastsep.Factorization)
assert_type(fastsep.SeparableConv2D(image, image)(image), Array)
assert_type(fastsep.Conv2D(image, bias=[1, 2])(image, workers=2), Array)
assert_type(fastsep.DepthwiseConv2D(image).output_shape((8, 9, 3)), tuple[int, ...])
assert_type(fastsep.explain(filters.sobel, image), fastsep.Explanation)
assert_type(fastsep.get_num_threads(), int)
assert_type(fastsep.__version__, str)

# `output` settles what a gradient is
assert_type(fastsep.gradient(image), tuple[Array, ...])
assert_type(fastsep.gradient(image, "scharr", output="magnitude"), Array)
assert_type(edges.gradient(image, output="dx", out=image), Array)
assert_type(fastsep.gradient(image, output=("dx", "dy"), out=(None, image)), tuple[Array, ...])
assert_type(fastsep.gradient(image, output=["dx"]), tuple[Array, ...])
dy, dx = fastsep.gradient(image)
fastsep.gradient(image, output="dx", out=(image, image))  # type: ignore[call-overload]
fastsep.gradient(image, output=3)  # type: ignore[call-overload]

# dimensions by their names
names: dict[str, int] = {"y": 2, "x": 2}
assert_type(fastsep.gaussian(image, names, mode={"x": "wrap"}, channel_axis="band"), Array)
assert_type(fastsep.gradient(image, sigma=names, output="dx", axis=("y", "x"), channel_axis="band"), Array)
assert_type(fastsep.separable_filter(image, {"y": [1, 2, 1], "x": None}), Array)
assert_type(fastsep.opening(image, channel_axis="band"), Array)
assert_type(ndimage.gaussian_filter(image, {"x": 0.5}, axes=("y", "x"), radius={"x": 3}), Array)
assert_type(ndimage.uniform_filter(image, names, origin=names), Array)
assert_type(ndimage.sobel(image, "x"), Array)
fastsep.box(image, {"y": "3"})  # type: ignore[dict-item]
fastsep.sobel(image, axis=2.0)  # type: ignore[arg-type]
fastsep.gaussian_laplace(image, 2, channel_axis=("y", "x"))  # type: ignore[arg-type]

# wrong names, wrong keywords, wrong values
fastsep.gausian(image)  # type: ignore[attr-defined]
fastsep.filters.gausian(image)  # type: ignore[attr-defined]
fastsep.import_module  # type: ignore[attr-defined]
fastsep.gaussian(image, sgima=2)  # type: ignore[call-arg]
canny(image, low=0.1)  # type: ignore[call-arg]
fastsep.gradient(image, ouput="dx")  # type: ignore[call-overload]
fastsep.conv2d(image, image, strides=2)  # type: ignore[call-arg]
fastsep.Conv2D(image, depthwise_bias=image)  # type: ignore[call-arg]
fastsep.sobel(image, workers="two")  # type: ignore[arg-type]
fastsep.correlate(image, image, method="fast")  # type: ignore[arg-type]
try:
    fastsep.sobel(image, mode="odd")
except fastsep.ArgumentError as error:
    assert_type(error, fastsep.ArgumentError)
"""


@pytest.fixture(scope="module")
def check(tmp_path_factory):
    """Checks a program as a user does, without the settings of this project, and returns what mypy says."""
    folder = tmp_path_factory.mktemp("typing")
    environment = dict(os.environ)
    environment.pop("MYPYPATH", None)
    if str(PACKAGE.parent) not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):
        environment["MYPYPATH"] = str(PACKAGE.parent)

    def run(program):
        (folder / "program.py").write_text(program)
        options = ["--strict", "--follow-imports=silent", "--config-file=", f"--cache-dir={folder}"]
        command = [sys.executable, "-m", "mypy", *options, "program.py"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        return done.stdout + done.stderr

    return run


def test_types_are_known_and_wrong_calls_are_flagged(check):
    assert re.fullmatch(r"Success: no issues found in 1 source file\s*", check(PROGRAM))


def test_every_public_name_has_a_type_of_its_own(check):
    names = [*fastsep.__all__, *(f"fastsep.{name}" for name in fastsep.__all__)]
    said = check("import fastsep\nfrom fastsep import *\n" + "".join(f"reveal_type({name})\n" for name in names))
    assert ": error: " not in said
    revealed = re.findall(r'note: Revealed type is "(.*)"', said)
    for name, text in zip(names, revealed, strict=True):
        assert text.startswith(("def (", "Overload(def (")), f"{name}: {text}"


@pytest.mark.parametrize("module", [filters, gaussians, edges, correlation, corners, morphology, ranks, ndimage])
def test_arguments_that_may_name_dimensions_have_the_types_for_it(module):
    for name in module.__all__:
        for argument, annotation in getattr(module, name).__annotations__.items():
            if argument in labelled.AXES:
                assert annotation.removesuffix(" | None") in ("Axis", "Axes"), f"{name}: {argument}"
            elif argument in labelled.ALONE:
                assert "Sequence" not in annotation, f"{name}: {argument}"

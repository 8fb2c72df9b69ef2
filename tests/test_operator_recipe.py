"""Adding an edge operator takes what the README says, and nothing else: done in a copy, whose tests then pass."""

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastsep
from fastsep._kernels import cache

pytest.importorskip("benchmarks", reason="an installed package has no benchmarks beside it")
pytest.importorskip("skimage")

ROOT = Path(__file__).parents[1]
#: The tests that walk the table, and what they are to select: the operator, and whether the lists of names agree.
FILES = ("taps", "filters", "accuracy", "architecture", "benchmarks", "docs")
SELECTED = "sobel5 or cover or names or every_public or every_operation or short_selection or docstrings and filters"


@pytest.fixture
def recipe():
    """The README's section: the files that it names, and the row that it adds."""
    _, _, rest = (ROOT / "README.md").read_text().partition("## Adding an edge operator\n")
    text, _, _ = rest.partition("\n## ")
    (row,) = re.findall(r"^\+(.*)$", text, re.MULTILINE)
    return re.findall(r"`(fastsep/\S+\.py)`", text), row


def new_function():
    """That of `sobel` under another name, with what its example gives: 2 + 1 beside the step, 1 further off."""
    source = inspect.getsource(fastsep.sobel).replace("sobel", "sobel5")
    assert "[0.0, 1.0, 1.0, 0.0]" in source
    return source.replace("[0.0, 1.0, 1.0, 0.0]", "[1.0, 3.0, 3.0, 1.0]")


def insert(path, mark, text):
    source = path.read_text()
    assert source.count(mark) == 1
    path.write_text(source.replace(mark, text))


def run(copy, *words):
    folder = cache.folders().writable  # its kernels are the same, and need not be compiled again
    environment = os.environ | {"PYTHONPATH": str(copy), **({cache.VARIABLE: str(folder)} if folder else {})}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
def test_an_operator_added_as_the_readme_says_passes_the_tests(recipe, tmp_path):
    for name in ("fastsep", "tests", "benchmarks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    (table, functions, package), row = recipe
    insert(tmp_path / table, "\nEDGES = {\n", f"\nEDGES = {{\n{row}\n")
    insert(tmp_path / functions, '    "sobel",\n', '    "sobel",\n    "sobel5",\n')
    insert(tmp_path / functions, "\n\ndef sobel_h(", f"\n\n{new_function()}\n\ndef sobel_h(")
    insert(tmp_path / package, " sobel ", " sobel sobel5 ")
    insert(tmp_path / "README.md", "| `sobel`, ", "| `sobel`, `sobel5`, ")

    done = run(tmp_path, "-c", "import fastsep; print(fastsep.__file__, callable(fastsep.sobel5))")
    assert done.stdout == f"{tmp_path / package} True\n", done.stderr
    paths = [f"tests/test_{name}.py" for name in FILES]
    done = run(tmp_path, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-k", SELECTED, *paths)
    assert done.returncode == 0, done.stdout + done.stderr

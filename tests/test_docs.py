"""The examples in docstrings and in the README run and print what they say."""

import doctest
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
from helpers import slow

import fastsep

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"

of_a_checkout = pytest.mark.skipif(not README.exists(), reason="an installed package has no README beside it")


@pytest.mark.parametrize(
    "name",
    [
        "filters",
        "gaussians",
        "edges",
        "corners",
        "correlation",
        "interpolation",
        "peaks",
        "layers",
        "layer_cost",
        "factorization.kernel",
        "factorization.bank",
        "factorization.layer",
        "explanation",
        "_engine.bands",
        *slow("morphology", "ranks", "ndimage"),  # of int64, which has kernels of its own
    ],
)
def test_examples_in_docstrings_print_what_they_say(name, monkeypatch):
    monkeypatch.setattr("fastsep._engine.bands._threads", None)  # an example sets it
    result = doctest.testmod(import_module(f"fastsep.{name}"))
    assert result.attempted
    assert not result.failed


@of_a_checkout
def test_examples_in_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert examples
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})


@of_a_checkout
def test_the_readme_names_every_public_function():
    named = set(re.findall(r"`(\w+)`", README.read_text()))
    public = {name for name in fastsep.__all__ if not inspect.isclass(getattr(fastsep, name))}
    assert {name.removesuffix("_h").removesuffix("_v") for name in public} <= named


@of_a_checkout
@pytest.mark.parametrize("page", ["README.md", "benchmarks/RESULTS.md"])
def test_links_lead_to_files_and_headings(page):
    text = (ROOT / page).read_text()
    headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    for link in links:
        found = link[1:] in headings if link.startswith("#") else (ROOT / page).parent.joinpath(link).exists()
        assert found, link


@of_a_checkout
def test_the_page_of_the_architecture_names_files_that_exist():
    text = (ROOT / "fastsep" / "README.md").read_text()
    names = [name for quoted in re.findall(r"`([^`\n]+)`", text) for name in quoted.split()]
    paths = [name for name in names if name.endswith((".py", "/")) or name.startswith("_kernels/")]
    assert len(paths) > 20
    for path in paths:
        assert (ROOT / "fastsep" / path).exists() or (ROOT / path).exists(), path

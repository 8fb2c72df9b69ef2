"""The examples in docstrings and in the README run and print what they say."""

import doctest
import re
from importlib import import_module
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize(
    "name",
    [
        "filters",
        "gaussians",
        "edges",
        "corners",
        "correlation",
        "layers",
        "layer_cost",
        "factorization.kernel",
        "factorization.bank",
        "factorization.layer",
        "explanation",
        "_engine.bands",
    ],
)
def test_examples_in_docstrings_print_what_they_say(name, monkeypatch):
    monkeypatch.setattr("fastsep._engine.bands._threads", None)  # an example sets it
    result = doctest.testmod(import_module(f"fastsep.{name}"))
    assert result.attempted
    assert not result.failed


@pytest.mark.skipif(not README.exists(), reason="an installed package has no README beside it")
def test_examples_in_the_readme_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert examples
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})

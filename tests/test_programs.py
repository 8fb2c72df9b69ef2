"""Programs compute the same with `fastsep run`, and the comparison of their results sees differences."""

import numpy as np
import pytest

pytest.importorskip("benchmarks", reason="an installed package has no benchmarks beside it")
pytest.importorskip("skimage")

from benchmarks import patched

PROGRAMS = sorted(patched.PROGRAMS.glob("*.py"))


def test_there_are_programs():
    assert len(PROGRAMS) == 16
    assert set(patched.USERS) < {path.stem for path in PROGRAMS}


@pytest.mark.slow
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_computes_the_same(path, monkeypatch):
    monkeypatch.delenv("FASTSEP_PATCH", raising=False)
    _, expected = patched.run(path, None)
    _, found = patched.run(path, ["--internal"])
    assert expected
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert patched.difference(found[name], value) <= patched.TOLERANCE, name


@pytest.mark.parametrize(
    ("value", "expected", "found"),
    [
        (np.ones(3), np.ones(3), 0),
        (np.array([1.0, 2.5]), np.array([1.0, 2.0]), 0.25),
        (np.ones(3), np.ones(4), np.inf),
        (np.ones(3, np.float32), np.ones(3), np.inf),
        (np.array([1, 2, 3, 5]), np.array([1, 2, 3, 4]), 0.25),
        ([np.ones(3), np.zeros(3)], [np.ones(3), np.zeros(3)], 0),
        ([np.ones(3)], [np.ones(3), np.zeros(3)], np.inf),
        ({"a": np.ones(2)}, {"a": np.ones(2)}, 0),
        ({"a": np.ones(2)}, {"b": np.ones(2)}, np.inf),
        (None, np.ones(2), np.inf),
        (np.array([np.nan, 1]), np.array([np.nan, 1]), 0),
        (np.array([np.nan, 1]), np.array([0.0, 1]), np.inf),
        (2, 2, 0),
    ],
)
def test_differences_are_seen(value, expected, found):
    assert patched.difference(value, expected) == found

"""Tests of SciPy and astropy pass with functions of ours in the place of theirs."""

from importlib.util import find_spec
from pathlib import Path

import peers
import pytest
from helpers import start_script


@pytest.mark.slow
@pytest.mark.parametrize(("name", "folder"), [("scipy", "ndimage"), ("astropy", "convolution")])
def test_the_tests_of_a_peer_pass(name, folder):
    found = find_spec(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    tests = Path(found.origin).parent / folder / "tests"
    if not all((tests / file).is_file() for file in peers.PEERS[name].files):
        pytest.skip(f"this {name} is installed without its tests")
    process = start_script(peers.__file__, name, str(tests), "-q")
    text, _ = process.communicate(timeout=900)
    assert process.returncode == 0, text[-4000:]

"""The tests of SciPy pass with `fastsep.ndimage` in the place of `scipy.ndimage`."""

from importlib.util import find_spec
from pathlib import Path

import peers
import pytest
from helpers import start_script


@pytest.mark.slow
def test_the_tests_of_scipy_pass():
    folder = Path(find_spec("scipy").origin).parent / "ndimage" / "tests"
    if not all((folder / file).is_file() for file in peers.PEERS["scipy"].files):
        pytest.skip("this SciPy is installed without its tests")
    process = start_script(peers.__file__, "scipy", str(folder), "-q")
    text, _ = process.communicate(timeout=900)
    assert process.returncode == 0, text[-4000:]

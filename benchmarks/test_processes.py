"""Cold starts and memory: every script in a fresh process, libraries in turns, a test for each of them."""

from __future__ import annotations

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import pytest

from benchmarks._libraries import OURS, missing
from benchmarks._replay import replay, replayed
from benchmarks._scripts import PROCESSES, Figure

ROOT = pathlib.Path(__file__).parents[1]  # fastsep is found here, installed or not

Sample = list[float]  # seconds, and bytes where the script prints them


def run(figure: Figure, library: str, cache: pathlib.Path) -> Sample:
    """One process, with its compile cache in a folder."""
    with tempfile.TemporaryDirectory() as empty:
        environment = os.environ | {"FASTSEP_CACHE_DIR": empty if figure.empty_cache else str(cache)}
        command = [sys.executable, "-c", figure.scripts[library]]
        start = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        seconds = time.perf_counter() - start
    assert done.returncode == 0, done.stderr
    return [seconds] if figure.of == "process" else [float(word) for word in done.stdout.split()]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def timed(request: pytest.FixtureRequest, cache: pathlib.Path) -> tuple[Figure, dict[str, list[Sample] | Exception]]:
    """The figure, and of each library the samples, or why it failed: the others can still be measured."""
    figure: Figure = request.param
    found: dict[str, list[Sample] | Exception] = {}
    if not figure.empty_cache and OURS in figure.scripts:
        run(figure, OURS, cache)  # compiles. The others need no such run: looking for them has imported them
    for library in (name for name in figure.scripts if not missing(name)):
        found[library] = []
    for _ in range(request.config.getoption("rounds")):
        for library, samples in found.items():
            if isinstance(samples, list):
                try:
                    samples.append(run(figure, library, cache))
                except (AssertionError, ValueError) as error:
                    found[library] = error
    return figure, found


@replayed
@pytest.mark.parametrize(
    ("timed", "library"),
    [
        pytest.param(figure, library, id=f"{figure.name}, {library}", marks=[pytest.mark.quick] * figure.quick)
        for figure in PROCESSES
        for library in figure.scripts
    ],
    indirect=["timed"],
    scope="module",
)
def test_process(timed: tuple[Figure, dict[str, list[Sample] | Exception]], library: str, benchmark: Any) -> None:
    figure, found = timed
    if missing(library):
        pytest.skip(missing(library))
    samples = found[library]
    if isinstance(samples, Exception):
        pytest.fail(str(samples), pytrace=False)
    seconds, *sizes = zip(*samples, strict=True)
    memory = {"bytes": statistics.median(sizes[0])} if sizes else {}
    replay(benchmark, seconds, figure.name, library=library, **memory)

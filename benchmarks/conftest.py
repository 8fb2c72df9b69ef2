"""Options of the benchmarks, and what their figures depend on."""

from __future__ import annotations

import os
import platform
from typing import Any

import pytest

import fastsep
from benchmarks import ENVIRONMENT
from benchmarks._libraries import versions
from benchmarks.operations.edges import astronaut


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("benchmarks of fastsep")
    group.addoption("--only", default="", metavar="TEXT", help="what has TEXT in its name; -k knows no '='")
    group.addoption("--rounds", type=int, default=3, metavar="N", help="turns of each library (default: %(default)s)")
    group.addoption("--threads", type=int, nargs="+", metavar="N", help="numbers of threads (default: 1 and all)")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("numprocesses", None):
        raise pytest.UsageError("benchmarks run in one process: add -n 0")
    cores = fastsep.get_num_threads()
    if not all(1 <= count <= cores for count in numbers_of_threads(config)):
        raise pytest.UsageError(f"--threads must be from 1 to {cores} on this machine")
    if config.getoption("rounds") < 1:
        raise pytest.UsageError("--rounds must be at least 1")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    text = config.getoption("only")
    config.hook.pytest_deselected(items=[item for item in items if text not in item.name])
    items[:] = [item for item in items if text in item.name]


def numbers_of_threads(config: pytest.Config) -> list[int]:
    return sorted(set(config.getoption("threads") or (1, fastsep.get_num_threads())))


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """What the figures depend on, besides what pytest-benchmark tells."""
    report = dict(fastsep.show_config())
    report.pop("cache", None)  # a path of this machine
    report |= versions()
    report |= {"system": f"{platform.system()} {platform.machine()}", "cores": str(os.cpu_count())}
    if astronaut() is None:
        report["photograph"] = "blobs: scikit-image or Pillow is missing"
    report["environment"] = " ".join(f"{name}={os.environ[name]}" for name in ENVIRONMENT)
    machine_info["fastsep"] = report

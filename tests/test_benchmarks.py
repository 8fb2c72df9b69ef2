"""The table of benchmarks: complete, consistent, and every case runs and agrees. Nothing is timed here."""

import numpy as np
import pytest

import fastsep

pytest.importorskip("benchmarks", reason="an installed package has no benchmarks beside it")
pytest.importorskip("skimage")  # the photograph

from benchmarks._libraries import missing, settle
from benchmarks.cases import CASES, QUICK, image, tiny
from benchmarks.operations import OPERATIONS

#: What there is nothing to time about: settings, and types that functions return.
UNTIMED = {
    "ArgumentError", "BankFactorization", "ConvCost", "ConvFactorization", "Explanation", "Factorization", "RankOne",
    "clear_caches", "get_num_threads", "patch", "patched", "patched_calls", "set_num_threads", "show_config", "unpatch",
    "warmup",
}  # fmt: skip

pytestmark = pytest.mark.filterwarnings("default")  # what other libraries warn of is their affair


def test_every_public_function_has_a_case():
    assert set(fastsep.__all__) - UNTIMED <= {case.operation for case in CASES}


def test_every_operation_has_a_case():
    assert {case.operation for case in CASES} == set(OPERATIONS)


def test_names_of_cases_are_unique():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


def test_the_short_selection_consists_of_cases_that_exist():
    assert {case.name for case in CASES if case.quick} == QUICK


@pytest.mark.slow
@pytest.mark.parametrize("case", [tiny(case) for case in CASES], ids=lambda case: case.name)
def test_every_case_runs_and_its_libraries_agree(case):
    contest = OPERATIONS[case.operation](image(case), **case.parameters)
    ours, *rest = contest.entries
    assert ours.library == "fastsep"
    reference = np.array(ours.view(ours.start(1)()))
    assert np.array_equal(ours.view(ours.start(2)()), reference, equal_nan=reference.dtype.kind == "f")
    for entry in rest:
        if not missing(entry.library):
            settle(entry.library, 1)
            entry.check(entry.start(1)(), reference)
            assert entry.tolerance is not None or entry.note, f"{entry.library}: nobody learns why it differs"

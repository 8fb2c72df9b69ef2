"""The command line of the benchmarks: what it refuses, reads and writes. Nothing is timed here."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("benchmarks", reason="an installed package has no benchmarks beside it")

from benchmarks import __main__ as command
from benchmarks import _processes, _report, _results
from benchmarks._contest import Case
from benchmarks._results import Process, Results, Row, Timing
from benchmarks.cases import as_dtype, in_range, on_picture

ROOT = Path(__file__).parents[1]
CASES = (Case("sobel", (9, 9), quick=True), Case("box", (9, 9), "uint8", {"size": 3}))
FIGURE = _processes.Figure("import", "s", {"NumPy": ""}, quick=True)
PROCESS = Process("import", "s", (Timing("NumPy", 0, 0.07, 0.07, 0.07),))


def timings(seconds=1e-3):
    return tuple(Timing(name, 1, *[times * seconds] * 3) for name, times in {"fastsep": 1, "OpenCV": 2}.items())


def row_of(case, seconds=1e-3, left_out=None):
    words = case.name, case.operation, case.shape, case.dtype, dict(case.parameters)
    return Row(*words, 100, 0, 0.0, timings(seconds), (), left_out or {})


def figures(selection, rounds, advance):
    return _processes.Outcome((PROCESS,) * len(selection))


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Runs the command, in a folder of its own and with a table of two cases; returns exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "CASES", CASES)
    monkeypatch.setattr(command, "image", lambda case: np.zeros(case.shape, case.dtype))
    monkeypatch.setattr(command, "run", lambda case, image, threads, rounds: row_of(case))
    monkeypatch.setattr(command, "header", lambda: {"fastsep": "1.0", "cpu": "a CPU"})
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(_processes, "PROCESSES", (FIGURE,))
    monkeypatch.setattr(_processes, "measure", figures)
    monkeypatch.setattr(_report, "plotless", lambda: "matplotlib not installed")

    def call(*arguments):
        code = command.main(list(map(str, arguments)))
        return code, *capsys.readouterr()

    return call


def refused(result):
    """The reason, after a look at how it is told."""
    code, out, err = result
    assert (code, out) == (2, "")
    assert err.startswith("benchmarks: error: ")
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1
    return err.removeprefix("benchmarks: error: ").strip()


def kept(path, *rows):
    _results.save(Results({"cpu": "a CPU"}, rows, (PROCESS,)), path)
    return path


def test_all_is_measured_reported_and_written(run, tmp_path):
    code, out, err = run("--json", "new/figures.json")
    assert (code, err) == (0, "")
    assert all(case.name in out for case in CASES)
    assert "NumPy 70.0 ms" in out
    assert "without plots (matplotlib not installed)" in out
    assert sorted(path.name for path in (tmp_path / "benchmark-report").iterdir()) == ["report.html", "results.json"]
    results = _results.read(tmp_path / "benchmark-report" / "results.json")
    assert [row.name for row in results.rows] == [case.name for case in CASES]
    assert results.processes == (PROCESS,)
    assert _results.read(tmp_path / "new" / "figures.json") == results


@pytest.mark.parametrize(
    ("options", "cases", "processes"),
    [(["--quick"], CASES[:1], 1), (["--only", "box"], CASES[1:], 0), (["--only", "import"], (), 1)],
)
def test_cases_and_processes_are_chosen(run, tmp_path, options, cases, processes):
    assert run(*options)[0] == 0
    results = _results.read(tmp_path / "benchmark-report" / "results.json")
    assert [row.name for row in results.rows] == [case.name for case in cases]
    assert results.processes == (PROCESS,) * processes


def test_numbers_of_threads_and_rounds_are_as_asked_for(run, monkeypatch):
    taken = []

    def measured(case, image, threads, rounds):
        taken.append((threads, rounds))
        return row_of(case)

    monkeypatch.setattr(command, "run", measured)
    run("--threads", "1", "1", "--rounds", "7", "--only", "box")
    run("--quick", "--threads", "1")
    assert taken == [([1], 7), ([1], command.QUICK_ROUNDS)]


def test_the_list_has_every_name_and_nothing_is_written(run, tmp_path):
    code, out, _ = run("--list")
    assert code == 0
    assert out.splitlines() == [*(case.name for case in CASES), "process: import"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--threads", "0"], "--threads must be from 1 to"),
        (["--threads", "1", "9999"], "got 9999"),
        (["--rounds", "0"], "--rounds must be at least 1, got 0"),
        (["--only", "no such case"], "no case contains 'no such case'"),
        (["--quick", "--only", "box"], "no case of the short selection contains 'box'"),
        (["--image", "missing.png"], "cannot read the image missing.png"),
        (["--load", "missing.json"], "cannot read missing.json: No such file"),
        (["--compare", "missing.json"], "cannot read missing.json: No such file"),
        (["--load", "x.json", "--quick", "--threads", "1"], "--quick and --threads cannot change what was measured"),
        (["--readme", "--quick"], "--readme needs the whole table, without --quick"),
        (["--readme", "--only", "box", "--image", "x"], "without --image and --only"),
        (["--readme"], "--readme draws a picture: matplotlib not installed"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(run, tmp_path, options, reason):
    if "--image" in options:
        pytest.importorskip("PIL")
    assert reason in refused(run(*options))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--load", "--compare"])
@pytest.mark.parametrize(
    "content", [b"", bytes(range(256)), b"[]", b'"text"', b'{"a": 1}', b'{"format": 0}', b"[" * 100000]
)
def test_files_of_something_else_are_refused(run, tmp_path, option, content):
    (tmp_path / "other.json").write_bytes(content)
    reason = refused(run(option, "other.json"))
    assert reason.startswith("other.json ha" if b"format" in content else "other.json holds no results")
    assert [path.name for path in tmp_path.iterdir()] == ["other.json"]


def test_places_that_cannot_be_written_are_refused_before_anything_is_measured(run, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "run", lambda *arguments: pytest.fail("measured"))
    (tmp_path / "file").write_text("mine")
    assert refused(run("--output", "file")) == "cannot write to the folder file: it is a file"
    assert "cannot write to the folder file" in refused(run("--output", "file/below"))
    assert "cannot write to the folder file" in refused(run("--json", "file/figures.json"))
    (tmp_path / "folder").mkdir()
    assert refused(run("--json", "folder")) == "cannot write folder: it is a folder"
    assert (tmp_path / "file").read_text() == "mine"


def test_arguments_that_are_none_are_refused(run, capsys):
    with pytest.raises(SystemExit, match="2"):
        run("--threads", "many")
    assert "invalid int value: 'many'" in capsys.readouterr().err


def test_results_that_were_kept_are_reported_and_not_measured(run, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "run", lambda *arguments: pytest.fail("measured"))
    path = kept(tmp_path / "kept.json", row_of(CASES[0]))
    code, out, _ = run("--load", path, "--output", "there")
    assert code == 0
    assert CASES[0].name in out
    assert _results.read(tmp_path / "there" / "results.json") == _results.read(path)


def test_results_are_compared_with_earlier_ones(run, tmp_path):
    path = kept(tmp_path / "kept.json", row_of(CASES[0], seconds=0.5e-3), row_of(Case("farid", (9, 9))))
    code, out, _ = run("--compare", path)
    assert code == 0
    assert f"slower  {CASES[0].name}, 1 thread" in out
    assert "only before: 1 case\n    farid 9x9 float32" in out
    assert "Compared with earlier results" in (tmp_path / "benchmark-report" / "report.html").read_text()


def test_a_case_that_fails_is_named_and_the_others_are_measured(run, tmp_path, monkeypatch):
    def measured(case, image, threads, rounds):
        if case is CASES[0]:
            raise AssertionError("fastsep's result depends on\nthe number of threads")
        return row_of(case)

    monkeypatch.setattr(command, "run", measured)
    code, out, _ = run()
    assert code == 1
    assert "  left out: AssertionError: fastsep's result depends on the number of threads\n" in out
    results = _results.read(tmp_path / "benchmark-report" / "results.json")
    assert [row.name for row in results.rows] == [CASES[1].name]


def test_a_library_with_another_result_is_an_exit_code(run, monkeypatch):
    monkeypatch.setattr(command, "run", lambda case, *rest: row_of(case, left_out={"DIPlib": "differs by 1"}))
    code, out, _ = run()
    assert code == 1
    assert out.count("  DIPlib left out: differs by 1\n") == len(CASES)
    monkeypatch.setattr(command, "run", lambda case, *rest: row_of(case, left_out={"DIPlib": "diplib not installed"}))
    assert run()[0] == 0


def test_a_process_that_fails_is_an_exit_code(run, monkeypatch):
    outcome = _processes.Outcome((), ("import, NumPy left out: status 3",))
    monkeypatch.setattr(_processes, "measure", lambda *arguments: outcome)
    code, out, _ = run()
    assert code == 1
    assert "import, NumPy left out: status 3\n" in out


def interrupted(*arguments):
    raise KeyboardInterrupt


def test_what_was_measured_before_an_interruption_is_reported_and_written(run, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "run", lambda case, *rest: row_of(case) if case is CASES[0] else interrupted())
    monkeypatch.setattr(_report, "plotless", lambda: "")
    monkeypatch.setattr(_report, "write", lambda results, folder, comparison: None)
    code, out, _ = run("--readme")
    assert code == 130
    assert "stopped: what follows is what was measured so far" in out
    assert "the README is as it was" in out
    results = _results.read(tmp_path / "benchmark-report" / "results.json")
    assert [row.name for row in results.rows] == [CASES[0].name]
    assert not (tmp_path / "README.md").exists()


@pytest.mark.parametrize("name", ["run", "header", "choose"])
def test_an_interruption_before_anything_was_measured_leaves_earlier_reports_alone(run, tmp_path, monkeypatch, name):
    kept(tmp_path / "results.json", row_of(CASES[0]))
    before = (tmp_path / "results.json").read_bytes()
    monkeypatch.setattr(command, name, interrupted)
    code, _, err = run("--output", ".")
    assert code == 130
    assert len(err.splitlines()) == 1
    assert (tmp_path / "results.json").read_bytes() == before
    assert not (tmp_path / "report.html").exists()


def test_an_interruption_that_a_library_swallows_is_not_lost(run, monkeypatch):
    def header():
        os.kill(os.getpid(), signal.SIGINT)
        return {}

    usual = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        monkeypatch.setattr(command, "header", header)
        assert run()[0] == 130
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, usual)


def test_the_readme_is_left_alone_where_results_lack_what_it_shows(run, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(_report, "plotless", lambda: "")
    monkeypatch.setattr(_report, "write", lambda results, folder, comparison: None)
    path, text = kept(tmp_path / "kept.json", row_of(CASES[0])), "no section"
    (tmp_path / "README.md").write_text(text)
    code, _, err = run("--readme", "--load", path)
    assert code == 2
    assert err.startswith("benchmarks: error: cannot bring the README up to date: the results lack the case")
    assert len(err.splitlines()) == 1
    assert (tmp_path / "README.md").read_text() == text
    assert not (tmp_path / "benchmarks").exists()


def test_a_page_that_is_not_there_is_named(run, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(_report, "plotless", lambda: "")
    monkeypatch.setattr(_report, "write", lambda results, folder, comparison: None)
    monkeypatch.setattr("benchmarks._plots.plot_readme", lambda results: b"")
    code, _, err = run("--readme", "--load", kept(tmp_path / "kept.json", row_of(CASES[0])))
    assert code == 2
    assert err == (
        f"benchmarks: error: cannot bring the README up to date: {tmp_path / 'README.md'}: No such file or directory\n"
    )


@pytest.mark.parametrize("shape", [(1, 1), (8, 8), (31, 4000), (4000, 31)])
def test_a_picture_that_is_nearly_all_border_is_refused(run, tmp_path, shape):
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / "small.png")
    assert f"small.png has {shape[0]} x {shape[1]} pixels" in refused(run("--image", "small.png"))


def test_a_picture_needs_pillow(run, monkeypatch):
    monkeypatch.setattr(command, "missing", lambda library: "PIL.Image not installed")
    assert refused(run("--image", "x.png")) == "--image reads with Pillow: PIL.Image not installed"


def test_a_picture_is_timed_in_the_cases_of_whole_frames(run, tmp_path):
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.zeros((40, 50, 4), np.uint8)).save(tmp_path / "picture.png")
    code, _, _ = run("--image", "picture.png", "--only", "gaussian 40x50x3 uint8")
    assert code == 0
    results = _results.read(tmp_path / "benchmark-report" / "results.json")
    assert [row.name for row in results.rows] == ["gaussian 40x50x3 uint8 sigma=2"]
    assert results.processes == ()


def test_cases_of_one_picture_share_its_memory():
    picture = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
    pairs = on_picture(picture)
    assert len({id(pixels) for _, pixels in pairs}) == len({(pixels.ndim, str(pixels.dtype)) for _, pixels in pairs})
    assert all(pixels.shape == case.shape and pixels.dtype == case.dtype for case, pixels in pairs)


def test_pictures_of_floats_are_taken_in_the_range_of_the_tolerances():
    inside = np.array([[0.25, 1.0]])
    assert in_range(inside) is not inside
    assert in_range(inside).tolist() == [[0.25, 1.0]]
    assert in_range(np.array([[-1.0, 0.0], [3.0, np.nan]])).tolist() == [[0.0, 0.25], [1.0, 0.25]]
    assert in_range(np.array([[0.0, np.inf, 255.0]])).tolist() == [[0.0, 0.0, 1.0]]
    large = np.finfo(np.float64).max
    assert in_range(np.array([[-large, 0.0, large]])).tolist() == [[0.0, 0.5, 1.0]]
    assert as_dtype(in_range(np.array([[0.0, 127.5, 255.0]])), "uint8").tolist() == [[0, 128, 255]]


def test_whoever_reads_only_the_first_names_sees_no_traceback():
    reader = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "--list"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    reader.stdout.close()
    with reader.stderr as errors:
        assert errors.read() == b""
    assert reader.wait() == 1

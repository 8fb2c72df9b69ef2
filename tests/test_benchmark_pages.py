"""What is made of the results of benchmarks: ratios, losses, the sections of README.md and RESULTS.md, the picture."""

import json
from pathlib import Path

import pytest

pytest.importorskip("benchmarks", reason="an installed package has no benchmarks beside it")

from benchmarks import _pages
from benchmarks._results import digits, kept, read

ROOT = Path(__file__).parents[1]
PEERS = {"OpenCV": 2.0, "scikit-image": 30.0, "SciPy": 20.0}


def figures_of(case, peers=PEERS, **limits):
    """As pytest-benchmark writes them. Twice the threads take half the time, where a library has more than one."""
    for library, ratio in {"fastsep": 1.0, **peers, **limits}.items():
        for threads in (1, 2) if library in ("fastsep", "OpenCV", "ONNX Runtime", "OpenVINO", "torch") else (1,):
            seconds = float(f"{1e-3 * ratio / threads:.5g}")  # no more digits than are kept
            yield {
                "group": case,
                "extra_info": {"library": library, "threads": threads},
                "stats": {"median": seconds, "q1": 0.9 * seconds, "q3": 1.1 * seconds, "rounds": 7, "data": [seconds]},
            }


def text_of(*tests):
    versions = {"cpu": "a CPU", "fastsep": "1.0", "OpenCV": "5.0"}
    return json.dumps({"machine_info": {"node": "a name", "fastsep": versions}, "benchmarks": tests})


def whole_table():
    tests = [test for case, _ in _pages.IMAGES for test in figures_of(case)]
    for case, _ in _pages.LAYERS:
        tests += figures_of(case, {"ONNX Runtime": 0.9, "torch": 1.5})
    process = {"group": "import", "extra_info": {"library": "fastsep"}, "stats": {"median": 0.2, "q1": 0.2, "q3": 0.2}}
    memory = {
        "group": "memory",
        "extra_info": {"library": "SciPy", "bytes": 2e6},
        "stats": {"median": 1, "q1": 1, "q3": 1},
    }
    return text_of(*tests, process, memory)


def frame(name, text):
    """A section of a page."""
    return f"{_pages.BEGIN.format(name)}\n\n{text}\n\n{_pages.END.format(name)}\n"


@pytest.fixture
def pages(tmp_path):
    """A folder with all pages, with text around their sections, and earlier results."""
    (tmp_path / _pages.KEPT).parent.mkdir()
    (tmp_path / _pages.KEPT).write_text("old")
    for page, sections in _pages.SECTIONS.items():
        parts = "between\n".join(frame(name, "old") for name in sections)
        (tmp_path / page).write_text(f"before\n\n{parts}\nafter\n")
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_kept_of_results_tells_the_same_and_nothing_of_the_machine_but_what_matters():
    raw = whole_table()
    text = kept(raw)
    assert read(text) == read(raw)
    assert kept(text) == text
    assert "a name" not in text
    assert len(text.splitlines()) == len(json.loads(raw)["benchmarks"]) + 9


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"machine_info": {"cpu": "a CPU"}}', "not JSON", "[" * 100000])
def test_a_file_of_something_else_is_refused_with_one_line(text):
    with pytest.raises(ValueError, match=r"^holds no results of these benchmarks$"):
        read(text)


@pytest.mark.parametrize(
    ("value", "count", "expected"),
    [(5.6031, 4, "5.603"), (9.99996, 4, "10.00"), (5.63e-5, 4, "0.00005630"), (1562.4, 3, "1562"), (0, 3, "0.00")],
)
def test_numbers_have_as_many_digits_as_count_and_no_power_of_ten(value, count, expected):
    assert digits(value, count) == expected


def test_a_library_of_one_thread_is_compared_with_every_number_of_threads():
    results = read(text_of(*figures_of("box")))
    assert [results.ratio("box", "SciPy", threads).value for threads in (1, 2)] == pytest.approx([20, 40])
    assert [results.ratio("box", "OpenCV", threads).value for threads in (1, 2)] == pytest.approx([2, 2])


def test_the_terminal_is_told_means_worst_cells_limits_losses_and_notes():
    tests = [*figures_of("box", **{"np.copyto": 0.5, "multiply-adds": 0.1}), *figures_of("sobel", {"OpenCV": 0.5})]
    tests[-1]["extra_info"]["note"] = "rounds"
    text = "\n".join(_pages.report(read(text_of(*tests))))
    assert "| OpenCV | 1.00 (worst 0.500: sobel) | 1.00 (worst 0.500: sobel) |" in text
    assert "With 1 thread the limits of the core are 50% of fastsep's time" in text
    assert "- sobel: OpenCV 0.500 (1 thread), OpenCV 0.500 (2 threads)" in text
    assert "- OpenCV: rounds" in text
    assert "np.copyto" not in text


def test_the_terminal_is_told_of_processes_alone_and_that_nothing_was_lost():
    process = {"group": "import", "extra_info": {"library": "fastsep"}, "stats": {"median": 0.08}}
    assert list(_pages.report(read(text_of(process)))) == ["|  | fastsep |\n|---|---|\n| import | 80.0 ms |"]
    assert "No library is faster than fastsep in any cell of the table." in _pages.report(
        read(text_of(*figures_of("box")))
    )


def test_pages_have_means_times_and_losses():
    """What else they have, the pages themselves are compared with below."""
    results = read(whole_table())
    sentence, _ = _pages.headline(results)
    assert (
        "**30 times as fast as scikit-image and 2.0 times as fast as OpenCV** (geometric means, one thread" in sentence
    )
    text = "\n\n".join(_pages.speed(results))
    assert "with fastsep 1.0, OpenCV 5.0.\n" in text
    assert "| fastsep / OpenCV / scikit-image / SciPy | 1 thread | 2 threads |" in text  # DIPlib took no part
    assert "| Sobel magnitude | 1.00 / 2.00 / 30.0 / 20.0 | 0.500 / 1.00 / 30.0 / 20.0 |" in text
    for name, _ in _pages.LAYERS:
        assert f"- {name}: ONNX Runtime 0.900 (1 thread), ONNX Runtime 0.900 (2 threads)" in text
    (table,) = _pages.processes(results)
    assert table.splitlines()[2:] == ["| import | 200 ms | - |", "| memory | - | 2.00 MB |"]


@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        ([], "the results lack scikit-image, which the README shows"),
        (list(figures_of("box")), "the results lack the case 'gaussian"),
        (
            [test for case, _ in _pages.IMAGES + _pages.LAYERS for test in figures_of(case)],
            "the results lack processes",
        ),
    ],
)
def test_results_that_lack_what_the_pages_show_change_nothing(pages, tests, reason):
    before = contents(pages)
    with pytest.raises(KeyError, match=reason):
        _pages.update(pages, kept(text_of(*tests)))
    assert contents(pages) == before


@pytest.mark.parametrize("page", _pages.SECTIONS)
def test_a_page_that_lacks_a_section_changes_nothing(pages, page):
    name = next(iter(_pages.SECTIONS[page]))
    turned = f"{_pages.END.format(name)}\n{_pages.BEGIN.format(name)}\n"
    (pages / page).write_text((pages / page).read_text().replace(frame(name, "old"), turned))
    before = contents(pages)
    with pytest.raises(ValueError, match=f"^{page} has no lines"):
        _pages.update(pages, kept(whole_table()))
    assert contents(pages) == before


def test_pages_picture_and_results_are_updated_and_twice_gives_the_same(pages):
    pytest.importorskip("matplotlib")
    text = kept(whole_table())
    _pages.update(pages, text)
    once = contents(pages)
    _pages.update(pages, text)
    assert contents(pages) == once
    assert (pages / _pages.KEPT).read_text() == text
    readme = (pages / _pages.README).read_text()
    assert readme.startswith("before\n\n")
    assert frame("headline", "\n\n".join(_pages.headline(read(text)))) + "between\n" in readme
    assert len(once) == 4


def test_files_are_written_together_or_not_at_all(tmp_path, monkeypatch):
    paths = [tmp_path / name for name in ("a.md", "b.md", "c.md")]
    paths[0].write_bytes(b"old")
    names = iter("xyz")
    monkeypatch.setattr("secrets.token_hex", lambda _: next(names))
    (tmp_path / ".z.md").mkdir()  # the temporary name of the last is taken
    with pytest.raises(FileExistsError, match=r"\.z\.md"):
        _pages.write_together(dict.fromkeys(paths, b"new"))
    assert paths[0].read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".z.md", "a.md"]


@pytest.mark.parametrize("page", _pages.SECTIONS)
def test_a_page_shows_the_figures_that_are_kept_beside_it(page):
    if not (ROOT / page).exists():
        pytest.skip("an installed package has no pages beside it")
    text = (ROOT / page).read_text()
    assert _pages.rendered(page, text, read((ROOT / _pages.KEPT).read_text())) == text


@pytest.mark.skipif(not (ROOT / _pages.PICTURE).exists(), reason="an installed package has no picture beside it")
def test_the_picture_shows_the_figures_that_are_kept_beside_it():
    image = pytest.importorskip("PIL.Image")
    with image.open(ROOT / _pages.PICTURE) as picture:
        assert picture.info[_pages.DIGEST] == _pages.digest((ROOT / _pages.KEPT).read_text())

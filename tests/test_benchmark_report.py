"""What is made of the results of benchmarks: tables, page, comparison, figures of the README and RESULTS.md, plots."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("benchmarks", reason="an installed package has no benchmarks beside it")

from benchmarks import _compare, _readme, _report, _results, _text
from benchmarks._results import Limit, Process, Results, Row, Timing

ROOT = Path(__file__).parents[1]
PEERS = {"OpenCV": 2.0, "scikit-image": 30.0, "SciPy": 20.0}


def timing(library, threads, seconds, spread=0.02, note=""):
    values = (seconds, seconds * (1 - spread / 2), seconds * (1 + spread / 2))
    return Timing(library, threads, *(float(f"{value:.5g}") for value in values), note)


def make_row(name="gaussian 512x512 float32 sigma=2", seconds=1e-3, peers=PEERS, left_out=None, **changes):
    operation, shape, dtype, *words = name.split()
    timings = [timing("fastsep", threads, seconds / threads) for threads in (1, 2)]
    for library, ratio in peers.items():
        for threads in (1,) if _text.one_thread(library) else (1, 2):
            timings.append(timing(library, threads, seconds * ratio / threads))
    row = Row(
        name=name,
        operation=operation,
        shape=tuple(map(int, shape.split("x"))),
        dtype=dtype,
        parameters={key: float(value) for key, value in (word.split("=") for word in words) if value[0].isdigit()},
        bytes=2**21,
        multiply_adds=10**7,
        busy=0.0,
        timings=tuple(timings),
        limits=tuple(Limit(threads, 2e-4 / threads, 4e-4 / threads) for threads in (1, 2)),
        left_out=left_out or {},
    )
    return replace(row, **changes)


def make_results(*rows, **machine):
    machine = {"cpu": "a CPU", "fastsep": "1.0", "OpenCV": "5.0"} | machine
    process = Process("import", "s", (timing("fastsep", 0, 0.08), timing("OpenCV", 0, 0.12)))
    return Results(machine, rows, (process,))


def readme_results():
    rows = [make_row(name) for name, _ in _readme.IMAGES]
    rows += [make_row(name, peers={"ONNX Runtime": 0.9, "torch": 1.5}) for name, _ in _readme.LAYERS]
    values = (Timing("fastsep", 0, 0.2, 0.2, 0.2), Timing("SciPy", 0, 0.3, 0.3, 0.3))
    sizes = (Timing("fastsep", 0, 2e6, 2e6, 2e6),)
    return replace(make_results(*rows), processes=(Process("import", "s", values), Process("memory", "bytes", sizes)))


def frame(name, text):
    """A section of a page."""
    return f"{_readme.BEGIN.format(name)}\n\n{text}\n\n{_readme.END.format(name)}\n"


def make_pages(root, render):
    """All pages, with text around their sections, of which `render` gives the content."""
    for page, sections in _readme.SECTIONS.items():
        (root / page).parent.mkdir(exist_ok=True)
        parts = "between\n".join(frame(name, render(section)) for name, section in sections.items())
        (root / page).write_text(f"before\n\n{parts}\nafter\n")


def texts(root):
    return [(root / page).read_text() for page in _readme.SECTIONS]


class Page(HTMLParser):
    """All text of a page; complains of elements that are not closed."""

    VOID = ("meta", "img")

    def __init__(self, source):
        super().__init__()
        self.open, self.words, self.elements = [], [], []
        self.feed(source)
        self.close()
        assert not self.open
        self.text = " ".join(self.words)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def page(results, tmp_path, comparison=None):
    path = tmp_path / "report.html"
    _report.write_html(results, path, comparison)
    return Page(path.read_text(encoding="utf-8"))


def test_results_are_read_as_they_were_saved(tmp_path):
    # Times are kept with five digits, and these have no more.
    results = make_results(make_row(left_out={"DIPlib": "diplib not installed"}))
    _results.save(results, tmp_path / "results.json")
    assert _results.read(tmp_path / "results.json") == results
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]


def test_a_digest_is_the_same_before_and_after_saving(tmp_path):
    row = make_row()
    results = make_results(replace(row, timings=(replace(row.timings[0], median=1e-3 / 3), *row.timings[1:])))
    _results.save(results, tmp_path / "results.json")
    assert _readme.digest(_results.read(tmp_path / "results.json")) == _readme.digest(results)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 99}', "not JSON"])
def test_a_file_of_something_else_is_refused_with_one_line(text, tmp_path):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError, match=r"^(holds no results|has format 99)") as refusal:
        _results.read(tmp_path / "other.json")
    assert "\n" not in str(refusal.value)


def spoilt(**changes):
    """Results of which a part makes no sense."""
    row = make_row()
    first, *others = row.timings
    results = make_results(replace(row, timings=(replace(first, **changes.pop("timing", {})), *others)))
    return replace(results, **changes)


@pytest.mark.parametrize(
    "results",
    [
        spoilt(machine=5),
        spoilt(machine={"cpu": 5}),
        spoilt(timing={"median": "1"}),
        spoilt(timing={"median": 0}),
        spoilt(timing={"median": float("nan")}),
        spoilt(timing={"library": "an unknown one"}),
        spoilt(timing={"threads": "1"}),
        spoilt(processes=(Process("import", "hours", ()),)),
        spoilt(rows=(replace(make_row(), left_out=5),)),
    ],
)
def test_figures_that_make_no_sense_are_refused(results, tmp_path):
    _results.save(results, tmp_path / "results.json")
    with pytest.raises(ValueError, match="make no sense"):
        _results.read(tmp_path / "results.json")


def test_a_library_of_one_thread_is_compared_with_every_number_of_threads():
    row = make_row()
    assert row.ratio("SciPy", 1) == pytest.approx(20)
    assert row.ratio("SciPy", 2) == pytest.approx(40)
    assert row.ratio("OpenCV", 2) == pytest.approx(2)
    assert "SciPy (one thread) beside 2" in "\n".join(_text.summary(make_results(row)))


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.0056031, "5.603"), (9.99996e-3, "10.00"), (5.63e-8, "0.00005630"), (12.3456, "12346"), (0, "0")],
)
def test_times_have_four_digits_that_count(seconds, expected):
    assert _text.milliseconds(seconds) == expected


def test_lines_tell_time_limit_ratios_and_marks():
    row = make_row(
        peers={"OpenCV": 0.8, "SciPy": 20.0}, left_out={"DIPlib": "differs by 1", "torch": "torch not installed"}
    )
    noisy = replace(row, timings=(timing("fastsep", 1, 1e-3, spread=0.2), *row.timings[1:]))
    title, first, second, *rest = _text.row(replace(noisy, busy=0.25))
    assert title == f"{row.name}  (busy 25%)"
    assert first.split() == ["1", "thread", "1.000~", "40%", "arithmetic", "OpenCV", "0.800!", "SciPy", "20.0"]
    assert second.split() == ["2", "threads", "0.5000", "40%", "arithmetic", "OpenCV", "0.800!", "SciPy", "40.0"]
    assert rest == ["  DIPlib left out: differs by 1"]


def test_lines_fit_a_terminal_of_140_columns():
    name = "SeparableConv2D 1080x1920x3 float32 filters=256 size=5"
    peers = {"OpenCV": 812.4, "scikit-image": 812.4, "SciPy": 812.4, "DIPlib": 812.4, "Pillow": 812.4}
    reason = {"torch": "torch not installed", "NumPy": "differs by 1, tolerated 2e-06"}
    rows = [make_row(name, seconds=123.4, peers=peers, left_out=reason)] * 4
    assert max(len(line) for text in _text.lines(make_results(*rows)) for line in text.splitlines()) <= 140


def test_the_summary_names_the_worst_cell_and_every_loss():
    good, bad = make_row("box 9x9 float32"), make_row("sobel 9x9 float32", peers={"OpenCV": 0.5})
    lines = list(_text.summary(make_results(good, bad)))
    assert "OpenCV, 1 thread 2 1.00 1 0.500 sobel 9x9 float32" in [" ".join(line.split()) for line in lines]
    assert "losses: 2" in "\n".join(lines)
    assert sum(line.startswith("  sobel 9x9 float32, ") for line in lines) == 2


def test_results_without_rows_have_a_summary_and_a_page(tmp_path):
    results = make_results()
    assert "fastsep 80.0 ms  OpenCV 120 ms" in "\n".join(_text.lines(results))
    assert "120 ms" in page(results, tmp_path).text


def test_the_page_contains_every_case_loss_note_and_reason(tmp_path):
    rows = (
        make_row(),
        make_row("sobel 512x512 float32", peers={"OpenCV": 0.456}),
        make_row("box 9x9 uint8 size=3", peers={"SciPy": 0.345}, left_out={"DIPlib": "differs by 3"}),
    )
    noted = replace(rows[0], timings=(*rows[0].timings[:-1], timing("SciPy", 1, 0.02, spread=0.5, note="a note")))
    text = page(make_results(noted, *rows[1:], DIPlib="3.5", torch="not installed"), tmp_path).text
    for expected in (*(row.name for row in rows), "0.456", "0.345", "SciPy: a note", "~", "differs by 3"):
        assert expected in text
    assert "torch: not installed" in text
    assert text.count("0.456") >= 4  # in the losses and in the table, with one thread and two


def test_the_page_escapes_what_others_wrote(tmp_path):
    row = make_row("box 9x9 float32 size=<b>&", left_out={"DIPlib": "<script>alert(1)</script>"})
    found = page(make_results(row, cpu="<i>CPU</i>"), tmp_path)
    assert not {"script", "i"} & {tag for tag, _ in found.elements}
    assert "box 9x9 float32 size=<b>&" in found.text
    assert "<i>CPU</i>" in found.text


def test_the_page_needs_no_other_file_and_leaves_none(tmp_path):
    found = page(make_results(make_row()), tmp_path)
    links = [value for _, attributes in found.elements for key, value in attributes.items() if key in ("src", "href")]
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    targets = {attributes.get("id") for _, attributes in found.elements}
    assert all(link[1:] in targets for link in links if link.startswith("#"))
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_comparison_finds_what_became_slower_and_faster(tmp_path):
    old = make_results(make_row("box 9x9 float32"), make_row("sobel 9x9 float32"), make_row("farid 9x9 float32"))
    new = make_results(
        make_row("box 9x9 float32", seconds=1.3e-3),
        make_row("sobel 9x9 float32", seconds=0.7e-3),
        make_row("farid 9x9 float32", seconds=1.05e-3),
    )
    changes = _compare.compare(old, new)
    assert [change.verdict for change in changes] == ["slower"] * 2 + ["faster"] * 2 + ["same"] * 2
    assert changes[0].raw == changes[0].normalised == pytest.approx(1.3)
    text = "\n".join(_compare.lines(old, new, changes))
    assert "slower  box 9x9 float32, 1 thread" in text
    assert "of 6 cells: 2 slower, 2 faster" in text
    assert "another machine" not in text
    assert "2 slower, 2 faster" in page(new, tmp_path, changes).text


def test_a_comparison_ignores_noise():
    old = make_row()
    wide = tuple(timing(one.library, one.threads, 1.3 * one.median, spread=0.8) for one in old.timings)
    changes = _compare.compare(make_results(old), make_results(replace(old, timings=wide)))
    assert [change.verdict for change in changes] == ["same", "same"]


def test_a_comparison_takes_the_machine_into_account():
    old = make_row()
    slow = tuple(Limit(limit.threads, 1.5 * limit.memory, 1.5 * limit.arithmetic) for limit in old.limits)
    alike, worse = make_row(seconds=1.5e-3, limits=slow), make_row(seconds=2.4e-3, limits=slow)
    results = make_results(old)
    (first, _), (second, _) = (_compare.compare(results, make_results(row)) for row in (alike, worse))
    assert (first.verdict, first.raw, first.normalised) == ("same", pytest.approx(1.5), pytest.approx(1))
    assert (second.verdict, second.normalised) == ("slower", pytest.approx(1.6))


def test_a_method_with_less_arithmetic_is_not_taken_for_a_faster_machine():
    old = make_row()
    halves = tuple(Limit(limit.threads, limit.memory, limit.arithmetic / 2) for limit in old.limits)
    new = replace(old, multiply_adds=old.multiply_adds // 2, limits=halves)
    assert _compare.compare(make_results(old), make_results(new))[0].normalised == pytest.approx(1)


def test_a_comparison_names_other_machines_and_cases_that_only_one_has():
    old, new = make_results(make_row("box 9x9 float32")), make_results(make_row("sobel 9x9 float32"), cpu="another")
    text = "\n".join(_compare.lines(old, new, _compare.compare(old, new)))
    assert "another machine: a CPU before, another now" in text
    assert "only before: 1 case\n    box 9x9 float32" in text
    assert "only now: 1 case\n    sobel 9x9 float32" in text


def test_the_headline_has_the_means_with_the_fewest_threads():
    sentence, picture = _readme.headline(readme_results())
    assert "**30 times as fast as scikit-image and 2.0 times as fast as OpenCV**" in sentence
    assert "one thread each" in sentence
    assert f"({_readme.PICTURE})" in picture


@pytest.mark.parametrize("results", [make_results(), make_results(make_row(peers={"OpenCV": 2.0}))])
def test_a_headline_without_its_libraries_is_an_error(results):
    with pytest.raises(KeyError, match="the results lack scikit-image"):
        list(_readme.headline(results))


def test_the_readme_has_a_line_for_every_library_with_mean_and_worst_case():
    paragraph, table = _readme.peers(readme_results())
    assert "(Measured on a CPU. scikit-image and SciPy have only one thread.)" in paragraph
    first, layer = _readme.IMAGES[0][0], _readme.LAYERS[0][0]
    assert table.splitlines() == [
        "|  | 1 thread | 2 threads |",
        "|---|---|---|",
        f"| OpenCV | 2.00 (worst 2.00: {first}) | 2.00 (worst 2.00: {first}) |",
        f"| scikit-image | 30.0 (worst 30.0: {first}) | 60.0 (worst 60.0: {first}) |",
        f"| SciPy | 20.0 (worst 20.0: {first}) | 40.0 (worst 40.0: {first}) |",
        f"| ONNX Runtime | 0.900 (worst 0.900: {layer}) | 0.900 (worst 0.900: {layer}) |",
        f"| torch | 1.50 (worst 1.50: {layer}) | 1.50 (worst 1.50: {layer}) |",
    ]


def test_the_section_on_speed_has_times_means_worst_cells_and_losses():
    text = "\n\n".join(_readme.speed(readme_results()))
    assert "| Sobel magnitude | 1.00 / 2.00 / 30.0 / 20.0 / - | 0.500 / 1.00 / 30.0 / 20.0 / - |" in text
    assert "| MobileNetV1 | 1.00 / 0.900 / 1.50 | 0.500 / 0.450 / 0.750 |" in text
    assert "scikit-image and SciPy have only one" in text
    layers = [name for name, _ in _readme.LAYERS]
    assert f"| ONNX Runtime | 0.900 (worst 0.900: {layers[0]}) | 0.900 (worst 0.900: {layers[0]}) |" in text
    for name in layers:
        assert f"- {name}: ONNX Runtime 0.900 (1 thread), ONNX Runtime 0.900 (2 threads)" in text


def test_a_case_that_a_table_shows_and_the_results_lack_is_an_error():
    results = readme_results()
    with pytest.raises(KeyError, match="the results lack the case 'mobilenet_v1"):
        list(_readme.speed(replace(results, rows=results.rows[:-1])))


def test_whole_processes_have_a_table():
    (table,) = _readme.processes(readme_results())
    assert table.splitlines() == [
        "|  | fastsep | SciPy |", "|---|---|---|", "| import | 200 ms | 300 ms |", "| memory | 2.00 MB | - |",
    ]  # fmt: skip
    with pytest.raises(KeyError, match="the results lack processes"):
        list(_readme.processes(replace(make_results(make_row()), processes=())))


def test_pages_are_updated_in_place_and_twice_gives_the_same(tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("PIL")
    picture, results = tmp_path / _readme.PICTURE, readme_results()
    make_pages(tmp_path, lambda section: "\n\n".join(section(results)))
    expected = texts(tmp_path)
    make_pages(tmp_path, lambda section: "old")
    _readme.update(tmp_path, results)
    once = texts(tmp_path), picture.read_bytes()
    assert once[0] == expected
    _readme.update(tmp_path, results)
    assert (texts(tmp_path), picture.read_bytes()) == once
    assert _readme.picture_digest(picture) == _readme.digest(results)
    assert _readme.digest(results) != _readme.digest(make_results(make_row()))


def test_pages_picture_and_results_are_written_together_or_not_at_all(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    pytest.importorskip("PIL")
    make_pages(tmp_path, lambda section: "old")
    kept = tmp_path / _readme.KEPT
    kept.write_text("old")
    # The last of the four cannot be written: its temporary name is taken.
    names = iter("abcd")
    monkeypatch.setattr("secrets.token_hex", lambda _: next(names))
    (kept.parent / ".d.md").mkdir()
    before = texts(tmp_path)
    with pytest.raises(FileExistsError, match=r"\.d\.md"):
        _readme.update(tmp_path, readme_results())
    assert (texts(tmp_path), kept.read_text()) == (before, "old")
    assert sorted(path.name for path in kept.parent.iterdir()) == [".d.md", "RESULTS.md", "results.json"]


@pytest.mark.parametrize("page", _readme.SECTIONS)
def test_pages_of_which_one_lacks_a_section_are_left_alone(page, tmp_path):
    pytest.importorskip("matplotlib")
    make_pages(tmp_path, lambda section: "old")
    name = next(iter(_readme.SECTIONS[page]))
    turned = f"{_readme.END.format(name)}\n{_readme.BEGIN.format(name)}\n"
    (tmp_path / page).write_text((tmp_path / page).read_text().replace(frame(name, "old"), turned))
    before = texts(tmp_path)
    with pytest.raises(ValueError, match=f"^{page} has no lines"):
        _readme.update(tmp_path, readme_results())
    assert texts(tmp_path) == before
    assert not (tmp_path / _readme.KEPT).exists()


@pytest.mark.parametrize("page", _readme.SECTIONS)
def test_a_page_shows_the_figures_that_are_kept_beside_it(page):
    if not (ROOT / page).exists():
        pytest.skip("an installed package has no pages beside it")
    results = _results.read(ROOT / _readme.KEPT)
    text = (ROOT / page).read_text()
    assert _readme.rendered(page, text, results) == text


@pytest.mark.skipif(not (ROOT / _readme.PICTURE).exists(), reason="an installed package has no picture beside it")
def test_the_picture_shows_the_figures_that_are_kept_beside_it():
    pytest.importorskip("PIL")
    results = _results.read(ROOT / _readme.KEPT)
    assert _readme.picture_digest(ROOT / _readme.PICTURE) == _readme.digest(results)


def test_plots_are_left_out_without_their_data():
    plots = pytest.importorskip("benchmarks._plots")
    assert plots.draw(make_results()) == {}
    lonely = replace(make_row(peers={}, multiply_adds=0), timings=(timing("fastsep", 1, 1e-3),))
    assert plots.draw(make_results(lonely)) == {}
    assert set(plots.draw(make_results(make_row()))) == {"ratios", "threads"}


def test_plots_are_drawn_of_sizes_sigmas_and_limits(tmp_path):
    plots = pytest.importorskip("benchmarks._plots")
    names = [
        "gaussian 64x64 float32 sigma=2",
        "gaussian 2160x3840 float32 sigma=2",
        "gaussian 2160x3840 float32 sigma=5",
    ]
    results = make_results(*map(make_row, names))
    assert set(plots.draw(results)) == {"ratios", "sizes", "sigmas", "threads", "roofline"}
    _report.write(results, tmp_path / "new")
    pictures = {path.name for path in (tmp_path / "new").iterdir()}
    assert pictures == {"report.html", "ratios.png", "sizes.png", "sigmas.png", "threads.png", "roofline.png"}


def test_plots_of_ratios_go_to_several_pages_without_losing_a_case():
    plots = pytest.importorskip("benchmarks._plots")
    rows = [make_row(f"gaussian {size}x{size} float32 sigma=2") for size in range(64, 104)]
    pages = plots.ratios(make_results(*rows))
    labels = [label.get_text() for figure in pages for label in figure.axes[0].get_yticklabels()]
    assert len(pages) > 1
    assert labels == [row.name for row in rows]

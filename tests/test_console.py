"""What commands print where names, encodings and readers are not as usual, and how they are called."""

import io
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from helpers import slow
from picture_files import names, save

from fastsep import __main__
from fastsep._cli import console, installation

pytest.importorskip("PIL")


def run(*words, encoding=None, **options):
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONIOENCODING", "PYTHONUNBUFFERED")
    }
    if encoding is not None:
        environment["PYTHONIOENCODING"] = encoding
    command = [sys.executable, "-m", "fastsep", *words]
    return subprocess.run(command, env=environment, stderr=subprocess.PIPE, **options)


# ---- names


NAMES = [
    "\u00e9t\u00e9.png",
    "\u6f22\u5b57.png",
    "\U0001f600.png",
    "line\nbreak.png",
    "tab\tand  spaces.png",
    "\x1b[31mred.png",
]


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not have")
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_every_name_can_be_said(folder, monkeypatch, encoding):
    everything = [*NAMES, os.fsdecode(b"\xff\xfe not UTF-8.png")]
    for name in everything:
        save(name, np.zeros((3, 3), np.uint8))
        stream = io.TextIOWrapper(io.BytesIO(), encoding)
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", stream)
            assert __main__.main(["edges", name, "-o", "out/"]) == 0
        said = stream.buffer.getvalue().decode(encoding)
        assert said.startswith(f"wrote out{os.sep}")
        assert said.count("\n") == 1
        assert said[:-1].isprintable()
    assert names(folder / "out") == sorted(everything)


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not have")
@pytest.mark.parametrize("encoding", ["ascii", "ascii:strict", None])
def test_every_name_can_be_said_by_a_process(folder, encoding):
    save(NAMES[0], np.zeros((3, 3), np.uint8))
    words = (NAMES[0], NAMES[1], b"no\xff\n.png", "-o", b"out")
    done = run("edges", *words, encoding=encoding, stdout=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stdout.startswith(b"wrote out")
    assert done.stderr.count(b"\n") == 2
    assert b"no\\udcff\\n.png" in done.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain, with  two spaces", "plain, with  two spaces"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[0m\x00\x7f", "\\x1b[0m\\x00\\x7f"),
        ("\u00e9\u6f22", "\u00e9\u6f22"),
        ("\udcff", "\\udcff"),
        ("\u2028", "\\u2028"),
    ],
)
def test_control_characters_become_escapes(text, expected):
    assert console.printable(text) == expected


# ---- readers that went away


def closed_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "wb")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
@pytest.mark.parametrize(
    "words",
    [("info",), ("explain", "sobel"), *slow(("--version",), ("--help",), ("edges", "--help"), ("factorize", "1 2 1"))],
)
def test_a_closed_pipe_ends_a_command_without_a_word(words):
    with closed_pipe() as pipe:
        done = run(*words, stdout=pipe)
    assert (done.returncode, done.stderr) == (console.PIPE_CLOSED, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
@pytest.mark.parametrize("options", [("--json",), *slow((), ("--jobs", "1", "--json"))])
def test_pictures_are_written_before_a_closed_pipe_is_noticed(folder, options):
    for name in ("a.png", "b.png"):
        save(name, np.zeros((5, 5), np.uint8))
    with closed_pipe() as pipe:
        done = run("edges", "a.png", "b.png", "-o", "out", *options, stdout=pipe)
    assert (done.returncode, done.stderr) == (console.PIPE_CLOSED, b"")
    assert "a.png" in names(folder / "out")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_picture_for_a_closed_pipe(folder):
    save("a.png", np.zeros((300, 300), np.uint8))
    with closed_pipe() as pipe:
        done = run("edges", "a.png", "-o", "-", stdout=pipe)
    assert (done.returncode, done.stderr) == (console.PIPE_CLOSED, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a full device")
@pytest.mark.parametrize("words", [("info",), ("edges", "a.png", "-o", "-")])
def test_a_full_disk_gets_one_line(folder, words):
    save("a.png", np.zeros((3, 3), np.uint8))
    with open("/dev/full", "wb") as full:
        done = run(*words, stdout=full)
    assert done.returncode == 1
    assert done.stderr == f"fastsep {words[0]}: No space left on device\n".encode()


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize("closed", [">&- 2>&-", "<&-", *slow(">&-", "2>&-")])
def test_closed_streams(folder, closed):
    save("a.png", np.zeros((3, 3), np.uint8))
    words = f"{sys.executable} -m fastsep edges a.png nowhere.png -o out {closed}"
    done = subprocess.run(words, shell=True, capture_output=True)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert names(folder / "out") == ["a.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize(
    "words", ["edges a.png -o b.png --json", "info", *slow("edges a.png -o b.png -v", "cache", "factorize laplace")]
)
def test_a_closed_standard_output(folder, words):
    save("a.png", np.zeros((3, 3), np.uint8))
    done = subprocess.run(f"{sys.executable} -m fastsep {words} >&-", shell=True, capture_output=True)
    assert done.returncode == 0
    assert b"Traceback" not in done.stderr


def test_the_progress_of_a_warmup_without_a_standard_output(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    progress = installation._Progress(lambda: 0.0)
    progress(0, 2, "")
    progress(1, 2, "fir")
    progress.close()


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ("edges a.png -o - >&-", 2, b"fastsep edges: a picture cannot go to standard output: it is closed\n"),
        ("edges - -o b.png <&-", 1, b"fastsep edges: standard input is closed\n"),
    ],
)
def test_a_picture_for_or_from_a_closed_stream(folder, words, code, message):
    save("a.png", np.zeros((3, 3), np.uint8))
    done = subprocess.run(f"{sys.executable} -m fastsep {words}", shell=True, capture_output=True)
    assert (done.returncode, done.stderr) == (code, message)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_messages_that_nobody_reads_do_not_stop_the_work(folder):
    save("b.png", np.zeros((3, 3), np.uint8))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "fastsep", "edges", "a.png", "b.png", "-o", "out"],
            stdout=subprocess.PIPE,
            stderr=writer,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stdout) == (1, f"wrote out{os.sep}b.png; 1 left out{os.linesep}".encode())


# ---- how commands are called


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (("edges", "a.png", "-o", "b.png", "--sgima", "2"), "usage: fastsep edges "),
        (("blur", "a.png", "-o", "b.png", "--method", "sobel"), "usage: fastsep blur "),
        (("explain", "gaussian", "--size", "3"), "usage: fastsep explain "),
        (("info", "--all"), "usage: fastsep info "),
        (("info", "more"), "usage: fastsep info "),
        (("demo", "a.png"), "usage: fastsep demo "),
        (("edges", "a.png"), "usage: fastsep edges "),
        (("factorize",), "usage: fastsep factorize "),
        (("--all",), "usage: fastsep "),
        (("edge",), "usage: fastsep "),
        ((), "usage: fastsep "),
    ],
)
def test_what_is_not_understood_gets_the_usage_of_its_command(words, usage, capsys):
    with pytest.raises(SystemExit) as stopped:
        __main__.main(list(words))
    assert stopped.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith(usage)
    assert "error: " in err


WORDS = ["gaussian", "sigma=5", "--shape", "64x64x3", "channel_axis=-1"]


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (2, 3, 0, 1, 4), (0, 4, 2, 3, 1), (0, 2, 3, 4, 1), (0, 1, 4, 2, 3)])
def test_options_stand_where_they_like(order, command):
    assert command("explain", *(WORDS[n] for n in order)) == command("explain", *WORDS)
    assert command("explain", *WORDS)[1].startswith("gaussian: 64 x 64 x 3 ")


@pytest.mark.parametrize(
    "name", ["demo", "edges", "blur", "sharpen", "factorize", "explain", "run", "info", "warmup", "cache"]
)
def test_every_option_says_what_it_does(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        __main__.main([name, "--help"])
    assert stopped.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: fastsep {name} ")
    _, *options = re.split(r"\n  (?=-)", out[out.index("options:") :])
    assert options
    for option in options:
        words = re.sub(r"^(-[\w-]+( [A-Z]+| \{.*?\})?(, )?)+", "", option).split()
        assert len(words) >= 2, option


# ---- what is no command


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--foo"], "fastsep: error: '--foo' is no COMMAND (one of demo, "),
        (["--foo", "info"], "fastsep: error: '--foo' is no COMMAND (one of demo, "),
        ([], "fastsep: error: a COMMAND is required"),
        (["blurr"], "fastsep: error: 'blurr' is no COMMAND (one of demo, "),
        (["-m", "json"], "fastsep: error: '-m' is no COMMAND (one of demo, "),
        (["-"], "fastsep: error: '-' is no COMMAND (one of demo, "),
    ],
)
def test_what_is_wrong_before_a_command_is_named(words, line):
    done = run(*words, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().splitlines()[-1].startswith(line)

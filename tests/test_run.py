"""`fastsep run` runs programs as `python` does, and tells what it replaced."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

import fastsep
from fastsep import __main__
from fastsep._cli import estimates, program

RUN = ("-m", "fastsep", "run")
ADDRESS = re.compile("0x[0-9a-fA-F]+")
# What a program sees of itself.
SHOW = """
import builtins, sys
main = sys.modules["__main__"]
print(sys.argv, sys.path, sys.flags.safe_path)
print(list(vars(main)), vars(main) is globals(), __builtins__ is builtins)
print([globals().get(name, "none") for name in ("__name__", "__doc__", "__package__", "__file__", "__cached__")])
print(__spec__ and (__spec__.name, __spec__.origin), getattr(__loader__, "__name__", type(__loader__).__name__))
print(globals().get("__annotations__"), __debug__)
"""


def run(*words, text="", told=None, python=sys.executable, options=()):
    """A process of Python; `told`: the value of FASTSEP_PATCH."""
    variables = {name: value for name, value in os.environ.items() if name != "FASTSEP_PATCH"}
    if told is not None:
        variables["FASTSEP_PATCH"] = told
    return subprocess.run([python, *options, *words], input=text, capture_output=True, text=True, env=variables)


def same_as_python(*words, **options):
    """Run a program by both, and return what came out of `fastsep run`."""
    expected, done = run(*words, **options), run(*RUN, *words, **options)
    assert done.stdout == expected.stdout
    assert ADDRESS.sub("", done.stderr) == ADDRESS.sub("", expected.stderr)
    assert done.returncode == expected.returncode
    return done


@pytest.fixture
def script(tmp_path, monkeypatch):
    """Writes a script into a folder, where the test works."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="script.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return write


# ---- a program and its surroundings


@pytest.mark.parametrize("name", ["script.py", "./script.py", "folder/script.py", "folder/../script.py"])
def test_a_script_sees_what_it_sees_under_python(script, name):
    script(SHOW, "folder/script.py")
    path = script(SHOW)
    assert same_as_python(name, "a", "--report", "-m").stdout
    assert same_as_python(path).stdout


def test_a_module_sees_what_it_sees_under_python(script):
    script(SHOW, "package/__init__.py")
    script(SHOW, "package/__main__.py")
    script(SHOW, "package/module.py")
    assert same_as_python("-m", "package", "a", "--report").stdout
    assert same_as_python("-m", "package.module").stdout
    assert same_as_python("-mpackage.module", "-c", "b").stdout


def test_code_and_standard_input_see_what_they_see_under_python():
    assert same_as_python("-c", SHOW, "a", "--report").stdout
    assert same_as_python("-cprint(1)", "-m").stdout == "1\n"
    assert same_as_python("-", "a", "-", text=SHOW).stdout
    assert same_as_python("-", text="import sys; print(repr(sys.stdin.read()))").stdout == "''\n"


def test_folders_archives_and_compiled_files_run(script):
    import py_compile
    import zipfile

    path = script(SHOW, "folder/__main__.py")
    assert same_as_python("folder", "a").stdout
    with zipfile.ZipFile("archive.zip", "w") as archive:
        archive.write(path, "__main__.py")
    assert same_as_python("archive.zip", "a").stdout
    py_compile.compile(str(path), "compiled.pyc")
    assert same_as_python("compiled.pyc", "a").stdout
    os.remove(path)
    assert same_as_python("folder").returncode == 1


def test_two_dashes_end_the_options(script):
    script(SHOW)
    assert run(*RUN, "--", "script.py", "a", "--").stdout == run("script.py", "a", "--").stdout


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_modules_are_found_beside_the_file_behind_a_link(script):
    script("here = 'beside the file'", "folder/beside.py")
    script("import beside; print(beside.here, __file__)", "folder/script.py")
    os.symlink("folder/script.py", "link.py")
    assert same_as_python("link.py").stdout.startswith("beside the file")


@pytest.mark.parametrize("option", ["-P", "-O", "-Xdev", "-Bu"])
def test_options_of_python_hold(script, option):
    script(SHOW)
    assert same_as_python("script.py", options=[option]).stdout


@pytest.mark.parametrize(
    "text",
    [
        "# -*- coding: latin-1 -*-\nprint('\xe9')",
        "\ufeffprint(1)",
        "print(1)\r\nprint(2)\r\n",
        "",
        "'only a docstring'",
    ],
)
def test_files_are_read_as_python_reads_them(script, text):
    script("").write_bytes(text.encode("latin-1" if "latin" in text else "utf-8"))
    assert same_as_python("script.py").returncode == 0


def test_a_script_of_the_name_can_be_run_without_saying_run(script):
    script(SHOW)
    assert run("-m", "fastsep", "script.py", "a", "--report").stdout == run("script.py", "a", "--report").stdout
    assert run("-m", "fastsep", "absent.py").stderr == run("absent.py").stderr


def test_programs_may_say_how_many_threads_numpy_takes(script):
    script("import sys; print({'numpy', 'scipy', 'numba', 'skimage', 'logging'} & set(sys.modules))")
    assert same_as_python("script.py").stdout == "set()\n"


def test_objects_of_a_program_can_be_pickled(script):
    script("import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A)")
    assert same_as_python("script.py").stdout == "True\n"


@pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")
def test_a_terminal_gets_a_prompt():
    import pty

    ours, theirs = pty.openpty()
    os.write(ours, b"print(6 * 7)\nexit(3)\n")
    done = subprocess.run([sys.executable, *RUN, "-"], stdin=theirs, capture_output=True, text=True)
    os.close(ours)
    os.close(theirs)
    assert (done.returncode, "42" in done.stdout) == (3, True)


# ---- how programs end


@pytest.mark.parametrize(
    "text",
    [
        "1 / 0",
        "def f(n):\n    return 1 / n\n\n\nprint(1)\nf(0)",
        "import json\njson.loads('{')",
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError('no') from error",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('no')",
        "raise ExceptionGroup('two', [ValueError(1), TypeError(2)])",
        "import sys; sys.exit()",
        "import sys; sys.exit(0)",
        "import sys; sys.exit(3)",
        "import sys; sys.exit('a last word')",
        "import sys; sys.exit((1, 2))",
        "raise SystemExit",
        "exit(4)",
        "import os; os._exit(5)",
        "import os; os.abort()",
        "raise KeyboardInterrupt",
        "import os, signal; os.kill(os.getpid(), signal.SIGINT)\nimport time; time.sleep(5)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "def f(:",
        "x = 1\n  y = 2",
        "print('\n",
        "return 1",
        "import absent",
        "import sys\nsys.excepthook = lambda *all: print(all[0], all[1], all[2].tb_lineno, all[2].tb_next)\n1 / 0",
        "import atexit, sys; atexit.register(print, 'the end'); sys.exit(2)",
        "import atexit; atexit.register(lambda: 1 / 0)",
        "import threading\nthreading.Thread(target=lambda: 1 / 0, name='t').start()",
        "import warnings\nwarnings.warn('mind this')",
        "file = open('file.txt', 'w')\nfile.write('kept')\nraise KeyboardInterrupt",
        "class A:\n    def __del__(self): print('gone')\na = A()",
    ],
)
def test_programs_end_as_under_python(script, text):
    script(text)
    same_as_python("script.py")


@pytest.mark.parametrize("text", ["1 / 0", "raise KeyboardInterrupt", "raise SystemExit('word')", "def f(:"])
def test_modules_code_and_standard_input_end_as_under_python(script, text):
    script(text, "module.py")
    same_as_python("-m", "module")
    same_as_python("-c", text)
    same_as_python("-", text=text)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupt_ends_the_process_by_its_signal(script):
    script("file = open('file.txt', 'w')\nfile.write('kept')\nraise KeyboardInterrupt")
    assert same_as_python("script.py").returncode == -signal.SIGINT
    assert Path("file.txt").read_text() == "kept"


@pytest.mark.parametrize("words", [("absent.py",), ("./absent.py", "a"), ("-m", "absent"), ("-m", "json.absent")])
def test_what_does_not_exist_is_said_as_python_says_it(script, words):
    script("")
    assert same_as_python(*words).returncode in (1, 2)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), "a SCRIPT, -m MODULE, -c CODE or - is required"),
        (("--report",), "a SCRIPT, -m MODULE, -c CODE or - is required"),
        (("-m",), "-m needs an argument"),
        (("-c",), "-c needs an argument"),
        (("--",), "a SCRIPT, -m MODULE, -c CODE or - is required"),
        (("--quick", "script.py"), "--quick is no option of fastsep; "),
        (("--intern", "script.py"), "--intern is no option of fastsep; "),
        (("-u", "script.py"), "-u is no option of fastsep; Python's own stand before: python -u -m fastsep run"),
        (
            ("--report=nowhere/a.json", "script.py"),
            "argument --report: cannot write nowhere/a.json: there is no folder",
        ),
        (("--report", "nowhere/a.json", "script.py"), "argument --report: cannot write nowhere/a.json: there is no "),
        (("--report=/", "script.py"), "argument --report: cannot write /: it exists and is not a file"),
        (("--report=.", "script.py"), "argument --report: cannot write .: it exists and is not a file"),
        ((f"--report={os.devnull}", "script.py"), f"argument --report: cannot write {os.devnull}: it exists and is "),
    ],
)
def test_what_is_no_program_gets_one_line(words, line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        __main__.main(["run", *words])
    assert stopped.value.code == 2
    usage, message = capsys.readouterr().err.splitlines()
    assert usage.startswith("usage: fastsep run ")
    assert message.startswith(f"fastsep run: error: {line}")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a.py", "b"], program.Program("file", "a.py", ["b"])),
        (["-"], program.Program("-", "<stdin>", [])),
        (["-m", "a", "-m", "b"], program.Program("-m", "a", ["-m", "b"])),
        (["-ca", "b"], program.Program("-c", "a", ["b"])),
    ],
)
def test_words_of_a_program(words, expected):
    assert program.parse(words) == expected


# ---- what was replaced


@pytest.mark.parametrize(
    ("options", "value"), [((), "1"), (("--internal",), "internal"), (("--report", "--internal"), "internal")]
)
def test_processes_that_a_program_starts_are_told(script, options, value):
    script("import os; print(os.environ['FASTSEP_PATCH'])")
    assert run(*RUN, *options, "script.py").stdout == f"{value}\n"


def test_calls_inside_scikit_image_run_fast_if_asked(script):
    pytest.importorskip("skimage")
    script(
        "import fastsep.filters, numpy as np\nfrom skimage.feature import blob_dog\nblob_dog(np.eye(64), max_sigma=4)"
    )
    for options, expected in (((), False), (("--internal",), True)):
        run(*RUN, *options, "--report", "report.json", "script.py")
        report = json.loads(Path("report.json").read_text())
        assert any(row["fast"]["calls"] for row in report["functions"]) == expected


# Fastsep takes the first calls only of programs that use it themselves.
FILTERS = """
import sys
import fastsep.filters
import numpy as np
from scipy import ndimage
from skimage.filters import gaussian

image = np.random.default_rng(0).random((300, 300))
for _ in range(3):
    gaussian(image, 2)
ndimage.median_filter(image, 3)
gaussian(np.ma.masked_array(image), 2)
{end}
"""


def test_errors_of_functions_come_from_the_originals(script):
    pytest.importorskip("skimage")
    script(FILTERS.format(end="def f(): return gaussian(image, -1)\n\n\nf()"))
    assert "Sigma values" in same_as_python("script.py").stderr


def function(report, name):
    (found,) = [row for row in report["functions"] if row["function"] == name]
    return found


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "1 / 0"])
def test_the_report_is_a_table_on_stderr(script, end):
    pytest.importorskip("skimage")
    script(FILTERS.format(end=end))
    expected = run("script.py")
    done = run(*RUN, "--report", "script.py")
    assert (done.returncode, done.stdout) == (expected.returncode, "")
    assert done.stderr.startswith(expected.stderr)
    first, _, head, *lines, inside, loaded, others, last = done.stderr[len(expected.stderr) :].splitlines()
    assert re.fullmatch(r"fastsep: 4 of 5 calls ran fast, in [\d.]+ s instead of about [\d.]+ s", first)
    assert head.split() == ["fast", "seconds", "original", "seconds", "saved"]
    rows = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert rows["skimage.filters.gaussian"][::2] == ["3", "1", rows["skimage.filters.gaussian"][-1]]
    assert rows["scipy.ndimage.median_filter"][0] == "1"
    assert "  original 1 x: no plain array" in lines
    assert inside.startswith("Calls inside scikit-image and SciPy are no calls of the program;")
    assert re.match(r"First calls took [\d.]+ s of this:", loaded)
    assert others == "Calls in other processes are not counted."
    assert last.startswith("Estimated: ")


def test_nothing_is_printed_unless_asked(script):
    pytest.importorskip("skimage")
    script(FILTERS.format(end=""))
    done = same_as_python("script.py")
    assert (done.stdout, done.stderr) == ("", "")


def test_the_report_is_a_file_of_json(script):
    pytest.importorskip("skimage")
    script(FILTERS.format(end="import os; os.chdir('/')"))
    done = run(*RUN, "--report", "report.json", "script.py")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    report = json.loads(Path("report.json").read_text())
    found = function(report, "skimage.filters.gaussian")
    assert found["fast"]["calls"] == 3
    assert [(reason["reason"], reason["calls"]) for reason in found["original"]] == [("no plain array", 1)]
    assert isinstance(found["saved_seconds"], float)
    assert report["saved_seconds"] == pytest.approx(sum(row["saved_seconds"] or 0 for row in report["functions"]))
    assert sorted(os.listdir()) == ["report.json", "script.py"]


def test_a_report_that_cannot_be_written_gets_one_line(script):
    script("import os; os.mkdir('report.json')")
    done = run(*RUN, "--report=report.json", "script.py")
    assert done.returncode == 0
    assert re.fullmatch("fastsep run: the report cannot be written to .*report.json: .*\n", done.stderr)


def test_a_program_without_filters_has_a_report_of_one_line(script):
    script("print(1)")
    done = run(*RUN, "--report", "script.py")
    assert (done.stdout, done.stderr) == (
        "1\n",
        "fastsep: the program called none of the functions that are replaced, in this process\n",
    )


def test_the_report_says_that_there_was_too_little_to_filter(script):
    pytest.importorskip("skimage")
    script(FILTERS.replace("import fastsep.filters", "").format(end=""))
    lines = run(*RUN, "--report", "script.py").stderr.splitlines()
    assert lines[0] == "fastsep: none of 5 calls ran fast"
    assert "  original 3 x: too little so far to load fastsep for" in lines


def test_the_report_names_packages_of_other_versions(script):
    pytest.importorskip("skimage")
    script("import skimage\nskimage.__version__ = '0.25.1'\n" + FILTERS.format(end=""))
    done = run(*RUN, "--report", "script.py")
    assert "skimage 0.25.1 was left alone: fastsep replaces functions of 0.26.x only." in done.stderr.splitlines()


def test_measuring_originals_gives_no_warnings(script):
    pytest.importorskip("skimage")
    script(
        "import warnings, numpy as np, fastsep.filters\n"
        "from skimage.filters import scharr\n"
        "image = np.zeros((64, 64))\n"
        "image[9, 9] = np.inf\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    scharr(image, mask=image == 0)\n"
        "print(len(caught))\n"
    )
    assert run(*RUN, "--report", "script.py").stdout == run(*RUN, "script.py").stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without forks")
def test_only_the_program_itself_reports(script):
    script("import os, sys\nif os.fork(): os.wait()\nelse: sys.exit()")
    assert run(*RUN, "--report", "script.py").stderr.count("fastsep:") == 1


# ---- estimates


def observed(original, *args, **kwargs):
    """Estimates after one call; and what the original was called with."""
    found, seen = estimates.Estimates(), []

    def recorded(*args, **kwargs):
        seen.append((args, kwargs))
        return original(*args, **kwargs)

    recorded.__wrapped__ = original  # for its signature
    found.observe("f", recorded, args, kwargs, 0.0)
    return found, seen


def blur(image, sigma=1, out=None):
    if out is not None:
        out[...] = 7
    return image


def test_each_kind_of_call_is_measured_once():
    image, found, calls = np.ones((20, 30)), estimates.Estimates(), []
    for _ in range(3):
        for sigma in (1, 2):
            found.observe("f", lambda image, sigma: calls.append(sigma), (image, sigma), {}, 0.0)
    assert sorted(calls) == [1, 1, 2, 2]  # what is quick is called twice
    assert [kind.calls for kind in found.kinds.values()] == [3, 3]
    assert found.original_seconds("f") == sum(3 * kind.seconds for kind in found.kinds.values())
    assert found.original_seconds("g") is None


def test_what_the_call_has_written_is_left_alone():
    out = np.zeros((5, 5))
    _, seen = observed(blur, np.ones((5, 5)), out=out)
    assert seen
    assert not out.any()


def test_of_a_large_image_a_piece_comes_first(monkeypatch):
    monkeypatch.setattr(estimates, "PIECE", 100)
    monkeypatch.setattr(estimates, "LONGEST", 0)
    image, out = np.ones((100, 10)), np.zeros((100, 10))
    found, seen = observed(blur, image, 2, out=out)
    assert {args[0].shape for args, _ in seen} == {(10, 10)}
    (kind,) = found.kinds.values()
    assert kind.pixels == 1000
    monkeypatch.setattr(estimates, "LONGEST", 1000)
    _, seen = observed(blur, image, 2, out=out)
    assert {args[0].shape for args, _ in seen} == {(10, 10), (100, 10)}


def test_when_the_time_is_used_up_pixels_count(monkeypatch):
    found = estimates.Estimates()
    found.observe("f", blur, (np.ones((10, 10)),), {}, 0.0)
    (kind,) = found.kinds.values()
    kind.seconds = 2.0
    monkeypatch.setattr(estimates, "BUDGET", 0)
    found.observe("f", blur, (np.ones((10, 30)),), {}, 0.0)
    assert found.original_seconds("f") == pytest.approx(2 + 6)
    assert "of 2 kinds of replaced calls (shapes, dtypes, arguments), 1 were timed" in found.describe()


def test_an_original_that_fails_is_no_error_of_the_program():
    def fails(image):
        raise RuntimeError

    found, seen = observed(fails, np.ones(5))
    assert seen
    assert found.original_seconds("f") is None


# ---- FASTSEP_PATCH

ROOT = Path(__file__).parents[1]
PATCHED = "import scipy.ndimage as ndi; print(hasattr(ndi.gaussian_filter, '__wrapped__'))"


@pytest.fixture(scope="module")
def environment_python(tmp_path_factory):
    """Python of a virtual environment that finds the package, and has the line that a wheel brings along."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=sys.platform != "win32")
    scripts, packages = (
        sysconfig.get_path(name, "venv", {"base": folder, "platbase": folder}) for name in ("scripts", "purelib")
    )
    found = [str(Path(fastsep.__file__).parents[1]), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    Path(packages, "_found.pth").write_text("\n".join(found))
    shutil.copy(ROOT / "fastsep.pth", packages)
    return Path(scripts, "python")


@pytest.mark.parametrize(
    ("value", "expected"), [(None, False), ("", False), ("0", False), ("1", True), ("internal", True)]
)
def test_a_variable_patches_every_process(environment_python, value, expected):
    done = run("-c", PATCHED, told=value, python=environment_python)
    assert (done.stdout, done.stderr) == (f"{expected}\n", "")


def test_without_the_variable_nothing_is_imported(environment_python):
    code = "import sys; print([name for name in sys.modules if name.startswith('fastsep')])"
    assert run("-c", code, python=environment_python).stdout == "[]\n"
    code += "; print({'numpy', 'scipy', 'skimage', 'logging'} & set(sys.modules))"
    assert run("-c", code, told="1", python=environment_python).stdout.endswith("\nset()\n")


def test_another_value_gets_one_line(environment_python):
    done = run("-c", PATCHED, told="yes", python=environment_python)
    assert done.stdout == "False\n"
    assert done.stderr == "fastsep: FASTSEP_PATCH must be 0, 1 or internal; got 'yes'\n"


CHILDREN = """
import multiprocessing
import scipy.ndimage as ndi

def patched(function):
    return hasattr(ndi.gaussian_filter, "__wrapped__"), function is ndi.gaussian_filter

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(patched(ndi.gaussian_filter), *pool.map(patched, [ndi.gaussian_filter]))
"""


def test_processes_that_a_program_spawns_are_patched(environment_python, script):
    script(CHILDREN)
    both = "(True, True) (True, True)\n"
    assert run("script.py", told="1", python=environment_python).stdout == both
    assert run(*RUN, "script.py", python=environment_python).stdout == both
    assert run("script.py", python=environment_python).stdout == "(False, True) (False, True)\n"


@pytest.mark.skipif(sys.platform == "win32", reason="scripts of POSIX")
def test_console_scripts_are_patched(environment_python, script):
    path = script(f"#!{environment_python}\n{PATCHED}")
    path.chmod(0o755)
    variables = {name: value for name, value in os.environ.items() if name != "FASTSEP_PATCH"}
    for value, expected in (("1", "True\n"), ("0", "False\n")):
        done = subprocess.run([path], env=variables | {"FASTSEP_PATCH": value}, capture_output=True, text=True)
        assert done.stdout == expected


@pytest.mark.slow
@pytest.mark.parametrize("editable", [False, True])
def test_a_wheel_and_an_editable_install_have_the_line(environment_python, tmp_path, editable):
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("an installed package has no checkout beside it")
    copy = tmp_path / "checkout"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "tests", "benchmarks", "__pycache__"))
    venv.create(tmp_path / "environment", with_pip=True)
    python = tmp_path / "environment" / environment_python.relative_to(environment_python.parents[1])
    command = [python, "-m", "pip", "install", "--no-deps", *["-e"][: int(editable)], copy]
    done = subprocess.run(command, capture_output=True, text=True)
    if "No matching distribution found for hatchling" in done.stderr:
        pytest.skip("pip finds no hatchling")
    assert done.returncode == 0, done.stderr
    code = "import sys; print('fastsep.scripts' in sys.modules, sys.modules['fastsep'].__file__)"
    variables = {"FASTSEP_PATCH": "1", "PATH": os.environ["PATH"]}
    done = subprocess.run([python, "-c", code], env=variables, capture_output=True, text=True, cwd=tmp_path)
    patched, file = done.stdout.split()
    assert (patched, file.startswith(str(copy))) == ("True", editable)
    subprocess.run([python, "-m", "pip", "uninstall", "--yes", "fastsep"], check=True, capture_output=True)
    done = subprocess.run([python, "-c", "pass"], env=variables, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


# ---- notebooks


def test_ipython_loads_and_unloads_it():
    ndimage = pytest.importorskip("scipy.ndimage")
    original = ndimage.gaussian_filter
    try:
        fastsep.load_ipython_extension(shell=None)
        assert ndimage.gaussian_filter is not original
    finally:
        fastsep.unload_ipython_extension(shell=None)
    assert ndimage.gaussian_filter is original


def test_what_ipython_calls_is_no_function_for_users():
    assert not {name for name in dir(fastsep) if "ipython" in name}
    assert not {name for name in fastsep.__all__ if "ipython" in name}

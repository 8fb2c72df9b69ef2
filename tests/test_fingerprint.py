"""Promise: a kernel compiled from other code is another kernel, however the package is installed."""

import compileall
import importlib.metadata
import os
import runpy
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
from helpers import quick_call, slow

import fastsep
from fastsep import _pyinstaller
from fastsep._engine import config
from fastsep._kernels import fingerprint, jit

PACKAGE = Path(fastsep.__file__).parent
SHOW = """
import sys
from fastsep._kernels import fingerprint
print(fingerprint.code_of_kernels(), fingerprint.__file__, *{"numba", "llvmlite", "numpy"} & set(sys.modules))
"""


def shown(path):
    """The hash of the package's code, as two processes see it, and where it is."""
    found = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONPATH": str(path), "PYTHONHASHSEED": seed}
        # In a folder of its own: the current one is on the path of `python -c`.
        options = {"env": environment, "cwd": path.parent, "capture_output": True, "text": True}
        done = subprocess.run([sys.executable, "-c", SHOW], **options)
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    (line,) = found
    digest, file = line.split()  # and nothing is imported
    assert file.startswith(str(path))
    return digest


def as_sources(path):
    return path


def as_archive(path):
    return Path(shutil.make_archive(path, "zip", path))


def as_compiled(path):
    compileall.compile_dir(path, quiet=1, legacy=True)
    for source in path.rglob("*.py"):
        source.unlink()
    return path


def as_compiled_archive(path):
    return as_archive(as_compiled(path))


def frozen(path):
    """An application whose loader has code objects and no files, as PyInstaller's has."""
    compileall.compile_dir(path, quiet=1, legacy=True)
    store = path.with_name(path.name + " store")
    path.rename(store)
    path.mkdir()
    (path / "sitecustomize.py").write_text(FROZEN.format(store=str(store), path=str(path)))
    return path


FROZEN = '''
import importlib.machinery, marshal, os, sys

STORE, PATH = {store!r}, {path!r}


class Finder:
    """Finds modules below PATH, where there are no files."""

    def __init__(self, entry):
        if not entry.startswith(PATH):
            raise ImportError
        self.entry = entry

    def _file(self, name):
        stem = os.path.join(STORE, os.path.relpath(os.path.join(self.entry, name.rpartition(".")[2]), PATH))
        for file in (os.path.join(stem, "__init__.pyc"), stem + ".pyc"):
            if os.path.isfile(file):
                return file

    def find_spec(self, name, target=None):
        file = self._file(name)
        if file is None:
            return None
        shown = os.path.join(PATH, os.path.relpath(file, STORE))
        spec = importlib.machinery.ModuleSpec(name, Loader(file), origin=shown, is_package="__init__" in file)
        spec.has_location = True
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(os.path.dirname(shown))
        return spec

    def iter_modules(self, prefix=""):
        folder = os.path.join(STORE, os.path.relpath(self.entry, PATH))
        for name in sorted(os.listdir(folder)):
            if os.path.isdir(os.path.join(folder, name)):
                yield prefix + name, True
            elif name.endswith(".pyc") and name != "__init__.pyc":
                yield prefix + name[:-4], False


class Loader:
    def __init__(self, file):
        self.file = file

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, name):
        with open(self.file, "rb") as file:
            return marshal.loads(file.read()[16:])


sys.path_hooks.insert(0, Finder)
sys.path_importer_cache.clear()
'''

SHIPPED = (as_sources, as_archive, as_compiled, as_compiled_archive, frozen)


def nothing(kernels):
    pass


def changed_constant(kernels):
    with open(kernels / "filters" / "fir.py", "a") as file:
        file.write("\nA_NUMBER = 3\n")


def changed_in_a_subfolder(kernels):
    (kernels / "inner" / "deep" / "lines.py").write_text("LENGTH = 4\n")


def new_module(kernels):
    (kernels / "inner" / "more.py").write_text("LENGTH = 3\n")


def renamed_module(kernels):
    (kernels / "filters" / "within.py").rename(kernels / "filters" / "without.py")


@pytest.mark.parametrize("ship", [SHIPPED[0], *slow(*SHIPPED[1:])])
def test_every_edit_of_the_kernels_code_is_another_fingerprint(ship, tmp_path):
    digests = {}
    for edit in (nothing, changed_constant, changed_in_a_subfolder, new_module, renamed_module):
        path = tmp_path / edit.__name__
        ignored = shutil.ignore_patterns("__pycache__", "[!_]*.py")
        shutil.copytree(PACKAGE, path / "fastsep", ignore=ignored)
        kernels = path / "fastsep" / "_kernels"
        shutil.copytree(PACKAGE / "_kernels", kernels, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        (kernels / "inner" / "deep").mkdir(parents=True)
        for folder in (kernels / "inner", kernels / "inner" / "deep"):
            (folder / "__init__.py").write_text("import numba\n")  # as those of kernels' folders may do
        (kernels / "inner" / "deep" / "lines.py").write_text("LENGTH = 3\n")
        edit(kernels)
        digests[edit] = shown(ship(path))
    assert len(set(digests.values())) == len(digests)


def test_what_is_cached_beside_the_sources_does_not_count(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "fastsep", ignore=shutil.ignore_patterns("__pycache__"))
    before = shown(tmp_path)
    kernels = tmp_path / "fastsep" / "_kernels"
    compileall.compile_dir(kernels, quiet=1)
    (kernels / "__pycache__" / "kernels").mkdir()
    (kernels / "__pycache__" / "kernels" / "fir-0123.kernel").write_text("code")
    (kernels / "notes.txt").write_text("no code")
    assert shown(tmp_path) == before


SOURCE = "def f(x, *, k=2.5):\n    return x in {'a', 'b', 'c'} and [y * k for y in (1, (2, b'c'))]\n"


OTHERS = (("2.5", "2.25"), ("'c'", "'d'"), ("b'c'", "b'd'"), ("y *", "y +"), ("def f", "def g"))


@pytest.mark.parametrize("other", [SOURCE.replace(*change) for change in OTHERS])
def test_code_is_told_apart_by_what_it_does(other):
    words = fingerprint._words(compile(SOURCE, "here.py", "exec"))
    assert words == fingerprint._words(compile("\n\n" + SOURCE, "elsewhere.py", "exec"))
    assert words != fingerprint._words(compile(other, "here.py", "exec"))


def beside(path):
    return [path]


def edited_in_place(path):
    """Installed such that the package stays where it is developed."""
    (path / "sources").mkdir()
    (path / "package").rename(path / "sources" / "package")
    return [path, path / "sources"]


def wheel(path):
    return [Path(shutil.make_archive(path / "wheel", "zip", path))]


@pytest.mark.parametrize("install", [beside, edited_in_place, wheel])
def test_the_version_of_a_package_is_that_which_is_installed(install, tmp_path, monkeypatch):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("raise ImportError('the package was imported')")
    info = tmp_path / "package-1.2+a.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: package\nVersion: 1.2+a\n")
    (tmp_path / "package_of_others-1.3.dist-info").mkdir()
    for path in install(tmp_path):
        monkeypatch.syspath_prepend(path)
    assert fingerprint._version("package") == "1.2+a"


def test_of_two_versions_that_of_the_metadata_counts(tmp_path, monkeypatch):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    for version in ("1.2", "1.3"):
        (tmp_path / f"package-{version}.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(importlib.metadata, "version", lambda package: f"asked for {package}")
    assert fingerprint._version("package") == "asked for package"


def test_a_setting_of_numba_that_changes_the_code_counts(monkeypatch):
    found = set()
    for name, value in (("NUMBA_NUM_THREADS", "1"), ("NUMBA_OPT", "1"), ("NUMBA_LOOP_VECTORIZE", "0")):
        monkeypatch.setenv(name, value)
        found.add(fingerprint.fingerprint.__wrapped__(jit.target()))
    assert len(found) == 3
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    assert fingerprint.fingerprint.__wrapped__(jit.target()) in found


def test_nothing_is_cached_where_the_code_cannot_be_seen(tmp_path, restart, monkeypatch):
    """The modules are compiled to C, for instance."""
    monkeypatch.setenv("FASTSEP_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(fingerprint, "__file__", str(tmp_path / "fingerprint.so"))
    monkeypatch.setattr(fingerprint, "modules", lambda folder, package: iter([("a", NoCode())]))
    assert fingerprint.fingerprint.__wrapped__(jit.target()) is None
    fingerprint.fingerprint.cache_clear()
    try:
        restart()
        quick_call()
        assert list(tmp_path.iterdir()) == []
        assert "cannot be read" in fastsep.show_config()["cache"]
        assert not config.cache_usable()
    finally:
        fingerprint.fingerprint.cache_clear()


class NoCode:
    loader = types.SimpleNamespace(get_code=lambda name: None)

    def find_spec(self, name):
        return types.SimpleNamespace(loader=self.loader, name=name, origin=None)


def test_the_hook_for_frozen_applications_names_what_is_imported_by_name(monkeypatch):
    utils = types.ModuleType("PyInstaller.utils.hooks")
    utils.copy_metadata = lambda package: [(f"{package}.dist-info", ".")]
    monkeypatch.setitem(sys.modules, "PyInstaller", types.ModuleType("PyInstaller"))
    monkeypatch.setitem(sys.modules, "PyInstaller.utils", types.ModuleType("PyInstaller.utils"))
    monkeypatch.setitem(sys.modules, "PyInstaller.utils.hooks", utils)
    (folder,) = _pyinstaller.hook_dirs()
    hook = runpy.run_path(str(Path(folder) / "hook-fastsep.py"))
    names = set(hook["hiddenimports"])
    for folder in ("_kernels", "factorization"):
        modules = [path.relative_to(PACKAGE.parent).with_suffix("") for path in (PACKAGE / folder).rglob("*.py")]
        assert {".".join(module.parts).removesuffix(".__init__") for module in modules} <= {*names, f"fastsep.{folder}"}
    for name in fastsep.__all__:
        assert getattr(fastsep, name).__module__.removeprefix("fastsep.").split(".")[0] in "".join(names)
    assert hook["datas"] == [(f"{package}.dist-info", ".") for package in ("numpy", "numba", "llvmlite", "scipy")]

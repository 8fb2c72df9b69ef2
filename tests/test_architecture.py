"""The shape of the package: who imports whom, and that lists of names agree."""

import ast
import inspect
import pickle
import pydoc
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

import fastsep
from fastsep import (
    corners,
    correlation,
    edges,
    filters,
    gaussians,
    interpolation,
    layers,
    morphology,
    ndimage,
    peaks,
    ranks,
)
from fastsep._kernels.record import Record
from fastsep._plan import operators

PACKAGE = Path(fastsep.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

PUBLIC = (filters, gaussians, edges, corners, correlation, interpolation, morphology, ranks, peaks, layers)
#: From the top down: what stands in a line imports from its own line and from those below.
LAYERS = (
    {"__main__", "_cli", "_environment", "_ipython", "_pyinstaller"},
    {"scripts"},
    {"_patch"},
    {path.stem for path in PACKAGE.glob("[a-z]*.py")} - {"scripts"},
    {"_docs", "_types"},
    {"_arrays"},
    {"_ops"},
    {"_call"},
    {"factorization"},
    {"_engine"},
    {"_plan"},
    {"_validation"},
    {"_kernels"},
)


def imports(path, *, top_level=False):
    """Full names of what the module at `path` imports."""
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                parent = path.relative_to(PACKAGE.parent).parts[: -node.level]
                module = ".".join([*parent, *filter(None, [node.module])])
            # `from fastsep import _plan` names a module, `from fastsep._plan import Line` does not
            yield from (f"{module}.{alias.name}" if module == "fastsep" else module for alias in node.names)


def level(name):
    return next(number for number, names in enumerate(LAYERS) if name in names)


def part(path):
    """The folder or module of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards(path):
    if path == PACKAGE / "__init__.py":  # loads its names when they are asked for
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "fastsep" and len(parts) > 1 and parts[1] not in fastsep.__all__:
            assert level(parts[1]) >= level(part(path)), f"{part(path)} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_kernels_import_numba(path):
    if part(path) != "_kernels":
        assert not {name.split(".")[0] for name in imports(path)} & {"numba", "llvmlite"}


@pytest.mark.parametrize("name", ["_engine/cpus", "_kernels/native_threads"])
def test_threads_and_cpus_need_no_numpy(name):
    assert all(imported.split(".")[0] in sys.stdlib_module_names for imported in imports(PACKAGE / f"{name}.py"))


@pytest.mark.parametrize("folder", ["_validation", "_plan"])
def test_checks_and_plans_need_numpy_only(folder):
    for path in (PACKAGE / folder).glob("*.py"):
        for imported in imports(path):
            top = imported.split(".")[0]
            assert top in {"numpy", "fastsep"} or top in sys.stdlib_module_names


def test_importing_the_filters_imports_neither_numba_nor_scipy():
    code = (
        "import sys, fastsep; fastsep.gaussian; fastsep.separable_filter; fastsep.conv2d; dir(fastsep);"
        "print(*sorted({'numba', 'llvmlite', 'scipy', 'skimage'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.split() == []


def test_importing_the_filters_leaves_the_cache_of_kernels_to_the_first_call():
    code = "import sys, fastsep; fastsep.gaussian; fastsep.conv2d; print('fastsep._kernels.cache' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.split() == ["False"]


def test_importing_the_package_imports_nothing_else():
    code = "import sys; before = set(sys.modules); import fastsep;print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert not [name for name in done.stdout.split() if name.startswith(("numpy", "fastsep."))]


@pytest.mark.parametrize("module", [*PUBLIC, ndimage], ids=lambda module: module.__name__)
def test_all_names_exactly_the_public_functions_and_classes(module):
    public = {
        name
        for name, value in vars(module).items()
        if (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }
    assert set(module.__all__) == public
    assert list(module.__all__) == sorted(module.__all__)


def test_the_package_offers_the_names_of_its_modules():
    for module in PUBLIC:
        for name in module.__all__:
            assert getattr(fastsep, name) is getattr(module, name)
    others = {"set_num_threads", "get_num_threads", "show_config", "warmup", "clear_caches"}
    others |= {"ConvCost", "conv_cost", "ConvFactorization", "factorize_conv"}
    others |= {"Factorization", "RankOne", "factorize", "is_separable"}
    others |= {"patch", "patched", "patched_calls", "unpatch"}
    others |= {"filter_blocks", "BankFactorization", "factorize_bank", "Explanation", "explain", "ArgumentError"}
    assert set(fastsep.__all__) == {name for module in PUBLIC for name in module.__all__} | others
    assert all(callable(getattr(fastsep, name)) for name in fastsep.__all__)
    with pytest.raises(AttributeError, match="no attribute 'bilateral'"):
        fastsep.bilateral  # noqa: B018


def test_the_package_and_its_public_modules_show_public_names_only():
    homes = {name for name in fastsep._HOMES if not name.startswith("_")}
    assert set(dir(fastsep)) == {*fastsep.__all__, *homes, "__version__"}
    for name in homes:
        module = getattr(fastsep, name)
        if name == "ndimage":  # its names mean something else at the top
            continue
        assert dir(module) == sorted(module.__all__)
        assert set(module.__all__) == set(fastsep._HOMES[name].split())
    public = {path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("_")}
    assert public | {"factorization"} == homes


def test_help_begins_with_what_to_call():
    text = pydoc.plain(pydoc.render_doc(fastsep))
    shown = text[: text.index("PACKAGE CONTENTS")]
    calls = re.findall(r"fastsep\.(\w+)\(", shown)
    assert len(set(calls)) >= 5
    assert set(calls) <= set(fastsep.__all__)


def test_tracebacks_name_a_public_exception():
    with pytest.raises(fastsep.ArgumentError) as caught:
        fastsep.sobel([[0.0]], mode="odd")
    name = traceback.format_exception_only(caught.value)[0].partition(":")[0]
    assert name == "fastsep.ArgumentError"
    assert type(pickle.loads(pickle.dumps(caught.value))) is fastsep.ArgumentError


@pytest.mark.parametrize("name", operators.EDGES)
def test_every_row_of_the_edge_table_has_its_function(name):
    assert name in filters.__all__


@pytest.mark.parametrize("module", [*PUBLIC, ndimage], ids=lambda module: module.__name__)
def test_pages_say_what_a_function_does_describe_all_its_parameters_and_show_it(module):
    for name in module.__all__:
        value = getattr(module, name)
        doc = inspect.getdoc(value)
        assert doc, name
        assert not doc.startswith("Parameters"), name
        section = re.split(r"\n\w[\w ]*\n---", doc.partition("\nParameters\n---")[2])[0]
        for parameter in inspect.signature(value).parameters:
            entry = r"\*\*kwargs$" if parameter == "kwargs" else rf"(\w+, )*{parameter}(, \w+)* :"
            assert re.search(f"^{entry}", section, re.MULTILINE), f"{name}: {parameter}"
        assert re.search(r">>> (\w+ = )?(fastsep|ndi)\.", doc), name


def test_without_docstrings_everything_else_is_there():
    code = "import fastsep; print([fastsep.sobel.__doc__, fastsep.conv2d.__doc__], callable(fastsep.canny))"
    done = subprocess.run([sys.executable, "-OO", "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.stdout.split() == ["[None,", "None]", "True"], done.stderr


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)
def test_only_public_signatures_have_defaults(module):
    for name, value in vars(module).items():
        if inspect.isfunction(value) and value.__module__ == module.__name__ and name.startswith("_"):
            defaults = [p.name for p in inspect.signature(value).parameters.values() if p.default is not p.empty]
            assert not defaults, f"{name} has defaults for {defaults}"


def test_no_constant_or_field_of_arguments_is_defined_twice():
    tree = ast.parse((PACKAGE / "_kernels" / "arguments.py").read_text())
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    names = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    names += [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    assert len(names) == len(set(names))
    for kind in Record.__subclasses__():
        check_fields(kind, set(), {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)})


def check_fields(kind, above, classes):
    """No field of a record or of those that extend it stands twice, or hides one of `above`."""
    if kind.__name__ in classes:
        fields = [node.target.id for node in classes[kind.__name__].body if isinstance(node, ast.AnnAssign)]
        assert len(fields) == len(set(fields)), kind
        assert not above & set(fields), kind
        for extended in kind.__subclasses__():
            check_fields(extended, above | set(fields), classes)

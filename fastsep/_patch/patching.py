"""What is patched, modules and names brought in line with it, and all of it undone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, TypeAlias

from fastsep._patch import names, wrappers
from fastsep._patch.hook import Finder
from fastsep._patch.locks import renewed_lock
from fastsep._patch.targets import HOMES, TARGETS, VERSIONS, module_of

_MODULES = frozenset(module for modules in TARGETS.values() for module in modules)

#: Names in modules of these packages keep their values, because they are parts of the functions.
_IMPLEMENTING = ("skimage", "skimage2", "_skimage2", "scipy", "fastsep", "cucim")


#: What a call of `patch` asks for: public names of functions, and `internal`. A plain tuple, because making a named one
#: takes a tenth of what all of this may take.
Settings: TypeAlias = tuple[frozenset[str], bool]

_lock = renewed_lock()
_settings: Settings | None = None


def current() -> Settings | None:
    """What is patched now; None: nothing."""
    return _settings


def change(settings: Settings | None) -> None:
    """Patch what `settings` say, and nothing else."""
    global _settings
    with _lock:
        if settings == _settings:
            return
        if _settings is not None:
            _undo()
        _settings = settings
        if settings is not None:
            _apply(settings)
    for module in _MODULES & sys.modules.keys():
        _await(module)


def _await(module: str) -> None:
    """Patch a module that another thread is importing when that is done; without the lock, which its imports take."""
    spec = (names.namespace(sys.modules[module]) or {}).get("__spec__")
    if getattr(spec, "_initializing", False):
        _loaded(import_module(module))


def _apply(settings: Settings) -> None:
    wrappers.state.active, wrappers.state.internal = settings
    _finder.install()
    found = _wrapped()
    for module in _MODULES & sys.modules.keys():
        _patch_module(module, found)
    names.rebind({id(original): wrapper for original, wrapper in found.values()}, _is_left)


def _undo() -> None:
    """Bring every name back, also those that were bound meanwhile."""
    _finder.remove()
    wrappers.state.active, wrappers.state.internal = frozenset(), False
    for module in _MODULES & sys.modules.keys():
        namespace = names.namespace(sys.modules[module]) or {}
        resolve = namespace.get("__getattr__")
        if isinstance(resolve, _Resolve):
            namespace["__getattr__"] = resolve.original
    originals = {key: wrapper.__wrapped__ for key, wrapper in wrappers.made.items()}  # type: ignore[attr-defined]
    names.rebind(originals, lambda module, value: False)


# ---- what there is to wrap


def _wrapped() -> dict[str, tuple[Any, Any]]:
    """The functions that are imported already, and their wrappers, by public names."""
    found = {}
    for public in wrappers.state.active:
        original = _original(public)
        if original is not None:
            found[public] = original, wrappers.wrapper_of(public, original)
    return found


def _original(public: str) -> Any:
    """A function itself; None if it is not imported yet. None of this imports anything."""
    name = public.rpartition(".")[2]
    if not _is_known(public):
        return None
    for module in (module_of(public), HOMES[public]):
        value = (names.namespace(sys.modules.get(module)) or {}).get(name)
        if callable(value):
            return value.__wrapped__ if id(value) in wrappers.made else value
    return None


def _is_known(name: str) -> bool:
    """Whether the package that is imported is of a version whose functions may be replaced."""
    package = name.partition(".")[0]
    version = (names.namespace(sys.modules.get(package)) or {}).get("__version__", "")
    return str(version).startswith(VERSIONS.get(package, ""))


def left_alone() -> dict[str, str]:
    """Packages that are imported and not patched because of their versions."""
    return {
        package: sys.modules[package].__version__
        for package in VERSIONS.keys() & sys.modules.keys()
        if not _is_known(package)
    }


def _is_left(module: str, value: Any) -> bool:
    """Whether a name in `module` that is bound to an original stays so."""
    package = module.partition(".")[0]
    if wrappers.state.internal and package == "skimage":
        return module == getattr(value, "__module__", None)  # where it is defined
    return package in _IMPLEMENTING


# ---- modules


def _patch_module(module: str, found: dict[str, tuple[Any, Any]]) -> None:
    """Let a module that users take functions from hold wrappers, and make those of functions to come."""
    namespace = names.namespace(sys.modules.get(module))
    if namespace is None or not _is_known(module):
        return
    for public, (_, wrapper) in found.items():
        if module_of(public) == module:
            namespace[public.rpartition(".")[2]] = wrapper
    resolve = namespace.get("__getattr__")
    if resolve is not None and not isinstance(resolve, _Resolve):
        namespace["__getattr__"] = _Resolve(module, resolve)


class _Resolve:
    """The `__getattr__` of a module that imports its functions when they are first asked for, as scikit-image's do."""

    def __init__(self, module: str, original: Callable[[str], Any]) -> None:
        self.module, self.original = module, original

    def __call__(self, name: str) -> Any:
        value = self.original(name)
        public = f"{self.module}.{name}"
        with _lock:
            namespace = names.namespace(sys.modules.get(self.module))
            if public not in wrappers.state.active or namespace is None:
                return value
            value = namespace[name] = wrappers.wrapper_of(public, value)
        return value


def _is_wanted(module: str) -> bool:
    """Whether something has to be done when that module is imported."""
    if module in _MODULES:
        return True
    return wrappers.state.internal and module.startswith("skimage.")


def _loaded(module: ModuleType) -> None:
    with _lock:
        if _settings is None:
            return
        found, name = _wrapped(), module.__name__
        if name in _MODULES:
            _patch_module(name, found)
        if wrappers.state.internal:
            names.rebind_in(name, {id(original): wrapper for original, wrapper in found.values()}, _is_left)


_finder = Finder(_is_wanted, _loaded)

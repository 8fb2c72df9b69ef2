"""Threads and locks of the interpreter's own, whatever stands in their place.

gevent's `patch_all` puts greenlets in the place of threads, before or after this package is imported. A greenlet runs
only when the thread that started it waits: as a helper it helps nobody, and whoever waits for it from another thread
waits for ever. `threading` is no way either at the end of a process: `Thread.start` waits for a sign of the new
thread, which by then may not run any more.
"""

from __future__ import annotations

import _thread
from importlib.machinery import BuiltinImporter
from importlib.util import module_from_spec
from types import ModuleType


def _as_built() -> ModuleType:
    """A second `_thread`, which nobody has patched: what is built into the interpreter can be made anew."""
    spec = BuiltinImporter.find_spec("_thread")
    if spec is None:  # not built in
        return _thread
    module = module_from_spec(spec)
    BuiltinImporter.exec_module(module)
    return module


_module = _as_built()
start_new_thread = _module.start_new_thread
allocate_lock = _module.allocate_lock
RLock = _module.RLock
get_native_id = _module.get_native_id

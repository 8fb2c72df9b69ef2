"""Parts of Numba and llvmlite that are no public interface, or are to be removed: each in one place, with a test.

`tests/test_internals.py` fails where a new version has changed one of them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple


class ObjectFile(NamedTuple):
    name: str  # of the function in it
    code: bytes


def object_file(compile_function: Callable[[], Any]) -> ObjectFile:
    """The machine code of the one signature of the dispatcher that `compile_function` returns.

    Numba optimizes each function that is called by another and makes machine code of it for itself, and then does so
    again where it has become a part of its caller. Here both are done once, for the whole: in two thirds of the time.
    """
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    class Part(JITCodeLibrary):  # type: ignore[misc]
        """A function that is ready to be linked into its caller, and not to be run."""

        def _optimize_final_module(self) -> None:
            pass

        def _finalize_final_module(self) -> None:
            self._verify_declare_only_symbols()
            self._finalized = True

        def get_pointer_to_function(self, name: str) -> int:
            self._ensure_finalized()
            return 0

    codegen = cpu_target.target_context.codegen()
    with global_compiler_lock:
        kind, codegen._library_class = codegen._library_class, Part
        codegen.set_env = _ignore  # what Numba's run time knows of a function that it can run
        try:
            dispatcher = compile_function()
        finally:
            codegen._library_class = kind
            del codegen.set_env
        (result,) = dispatcher.overloads.values()
        name, module = result.fndesc.llvm_func_name, result.library._final_module
        for function in module.functions:
            if not function.is_declaration and function.name != name:
                function.linkage = "internal"  # so that nothing is left of what has become a part of its caller
        JITCodeLibrary._optimize_final_module(result.library)
        return ObjectFile(name, bytes(codegen._tm.emit_object(module)))


def _ignore(*arguments: object) -> None:
    pass


def link(name: str, code: bytes) -> int | None:
    """Load an object file; the address of a function in it."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    address = int(engine.get_function_address(name)) or None
    # Code is never freed: threads may run it to the end of the process, where llvmlite cannot free it without errors.
    engine.detach()
    return address


def compiler_lock() -> Any:
    """The lock that Numba holds while it compiles; None where it is not imported."""
    module = sys.modules.get("numba.core.compiler_lock")
    return getattr(getattr(module, "global_compiler_lock", None), "_lock", None)

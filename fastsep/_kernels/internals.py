"""Parts of Numba and llvmlite that are no public interface, or are to be removed: each in one place, with a test.

`tests/test_internals.py` fails where a new version has changed one of them.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class ObjectFile(NamedTuple):
    name: str  # of the function in it
    code: bytes


def object_file(compile_function: Callable[[], Any], cpu: tuple[str, str] | None = None) -> ObjectFile:
    """The machine code of the one signature of the dispatcher that `compile_function` returns.

    `cpu`: name and features, as LLVM has them, of a CPU that is not the one Numba compiles for.

    Numba makes machine code of each function that is called by another, too, though it has become a part of its caller.
    Here that is left out, which saves a seventh of the time. They are optimized by themselves first, as in Numba: to
    optimize only the whole would save another tenth, but some kernels are 7 % slower then. What `helper.step` marks is
    not, which saves as much as it takes to compile it as a function of its own.
    """
    import llvmlite.binding as llvm
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.registry import cpu_target

    llvm.initialize_native_asmparser()  # for instructions that are named (see `Emitter.neighbours`); Numba uses none
    part = _part()
    with global_compiler_lock, contextlib.ExitStack() as stack:
        # Numba's run time, and what other packages register, are compiled as ever.
        cpu_target.typing_context.refresh()
        cpu_target.target_context.refresh()
        if cpu is not None:
            stack.enter_context(compiling_for(*cpu))
        codegen = cpu_target.target_context.codegen()
        kind, known = codegen._library_class, vars(codegen).copy()

        def set_env(name: str, environment: object) -> None:
            if codegen._engine.is_symbol_defined(name):  # as for functions that can be run
                type(codegen).set_env(codegen, name, environment)

        try:
            codegen._library_class, codegen.set_env = part, set_env
            dispatcher = compile_function()
        finally:  # what was there before: a signal's handler may have come in between
            codegen._library_class = kind
            if "set_env" in known:
                codegen.set_env = known["set_env"]
            else:
                vars(codegen).pop("set_env", None)
        (result,) = dispatcher.overloads.values()
        name, library = result.fndesc.llvm_func_name, result.library
        if not isinstance(library, part):
            return ObjectFile(name, bytes(library._get_compiled_object()))
        for function in library._final_module.functions:
            if not function.is_declaration and function.name != name:
                function.linkage = "internal"  # so that nothing is left of what has become a part of its caller
        return ObjectFile(name, bytes(codegen._tm.emit_object(library._final_module)))


@contextlib.contextmanager
def compiling_for(name: str, features: str) -> Iterator[None]:
    """Let Numba compile for another CPU. The caller holds its lock.

    Its contexts hold what it has compiled so far, all that functions call, so those of another CPU are its own.
    """
    from numba.core.registry import cpu_target

    before = vars(cpu_target).copy()
    vars(cpu_target).update(_contexts(name, features))
    try:
        yield
    finally:
        vars(cpu_target).update(before)


@functools.cache
def _contexts(name: str, features: str) -> dict[str, Any]:
    """What Numba's description of the CPU remembers, made anew for another one."""
    from numba.core import codegen, cpu, typing

    class Codegen(codegen.JITCPUCodegen):  # type: ignore[misc]
        def _get_host_cpu_name(self) -> str:
            return name

        def _get_host_cpu_features(self) -> str:
            return features

    types = typing.Context()
    context = cpu.CPUContext(types)
    context._internal_codegen = Codegen("numba.exec")
    return {"_toplevel_typing_context": types, "_toplevel_target_context": context}


@functools.cache
def _part() -> Any:
    from numba.core.codegen import JITCodeLibrary

    from fastsep._kernels.helper import within_callers

    class Part(JITCodeLibrary):  # type: ignore[misc]
        """A function to be linked into its caller. It is made machine code when someone asks where it is: a function of
        the program's own, which a signal's handler or a finalizer calls while a kernel is compiled."""

        def _optimize_final_module(self) -> None:
            if self.name not in within_callers:
                super()._optimize_final_module()

        def _finalize_final_module(self) -> None:
            self._verify_declare_only_symbols()
            self._finalized, self._has_code = True, False

        def get_pointer_to_function(self, name: str) -> int:
            self._ensure_finalized()
            defined = any(each.name == name and not each.is_declaration for each in self._final_module.functions)
            if not defined:
                return 0
            if not self._has_code:
                self._has_code = True
                super()._finalize_final_module()
            return int(super().get_pointer_to_function(name))

    return Part


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

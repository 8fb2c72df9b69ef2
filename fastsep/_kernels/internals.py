"""Parts of Numba and llvmlite that are no public interface, or are to be removed: each in one place, with a test.

`tests/test_internals.py` fails where a new version has changed one of them.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple


class Compiled(NamedTuple):
    owner: Any  # the code stays as long as this does
    name: str
    library: Any
    address: int

    def code(self) -> bytes:
        """The object file."""
        return bytes(self.library._get_compiled_object())


def compiled(dispatcher: Any) -> Compiled:
    """The machine code of a function that is compiled for one signature."""
    (result,) = dispatcher.overloads.values()
    name = result.fndesc.llvm_func_name
    return Compiled(dispatcher, name, result.library, int(result.library.get_pointer_to_function(name)))


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

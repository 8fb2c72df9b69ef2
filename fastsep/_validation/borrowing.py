"""Images that are arrays of other packages: read where they lie, or refused with what to pass in their place.

Recognized by what they have, so that nothing has to be imported for it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from fastsep._validation.array_like import Borrowed, made_array

#: Devices whose memory the CPU reads, as DLPack numbers them: the CPU, and host memory that CUDA or ROCm has pinned.
READABLE_DEVICES = (1, 3, 11)


def taken(name: str, value: Any) -> Any:
    """`value`, or a view of its memory if another package lends it by DLPack.

    What NumPy would take, too, but without its unit or its labels, is refused.
    """
    if type(value) in (list, tuple):
        return value
    _refuse_units_and_tables(name, value)
    return lent(name, value)


def lent(name: str, value: Any) -> Any:
    """`value`, or a view of its memory if another package lends it by DLPack."""
    if isinstance(value, ndarray | np.generic | Sequence):
        return value
    if not (hasattr(value, "__dlpack__") or hasattr(value, "__cuda_array_interface__")):
        return value
    if getattr(value, "requires_grad", False) is True:
        raise ValueError(f"`{name}` must not require gradients, which would be lost; pass `{name}.detach()`.")
    if not _is_readable(value):
        where = getattr(value, "device", "a GPU")
        raise ValueError(
            f"`{name}` must be in the memory of the CPU; got {type(value).__name__} on {where}."
            f" Pass `{_copied(name, value)}`, or filter it on the GPU with `cucim.skimage`."
        )
    try:
        array = np.from_dlpack(value)
    except Exception:  # of any kind; what NumPy says of it, if anything, tells more
        _check_dtype(name, value)
        array = made_array(name, value)
    borrowed = array.view(Borrowed)
    borrowed.owner = value
    return borrowed


def _is_readable(value: Any) -> bool:
    if not hasattr(value, "__dlpack_device__"):
        return not hasattr(value, "__cuda_array_interface__")
    try:
        return value.__dlpack_device__()[0] in READABLE_DEVICES
    except Exception:  # a device that DLPack has no number for, or none at all, of which NumPy's attempt tells more
        return getattr(getattr(value, "device", None), "type", "cpu") == "cpu"


def _copied(name: str, value: Any) -> str:
    """What to write for a copy in the memory of the CPU."""
    for method, expression in (("cpu", ".cpu()"), ("copy_to_host", ".copy_to_host()")):  # PyTorch's, Numba's
        if hasattr(value, method):
            return name + expression
    return f"cupy.asnumpy({name})" if hasattr(value, "__cuda_array_interface__") else f"np.asarray({name})"


def _check_dtype(name: str, value: Any) -> None:
    """Refuse a dtype that NumPy lacks, such as bfloat16, under whatever name."""
    given = getattr(value, "dtype", None)
    try:
        known = np.dtype(str(given).rpartition(".")[2]).kind != "V"
    except TypeError:
        known = False
    if given is not None and not known:
        raise ValueError(
            f"`{name}` must have a dtype that NumPy has; got {given}. Convert it, for instance to float32."
        )


def _refuse_units_and_tables(name: str, value: Any) -> None:
    kind = type(value)
    if hasattr(kind, "magnitude") and hasattr(kind, "units"):
        raise ValueError(f"`{name}` must have no unit; got {kind.__name__}. Pass `{name}.magnitude`.")
    if hasattr(kind, "value") and (hasattr(kind, "unit") or hasattr(kind, "units")):
        raise ValueError(f"`{name}` must have no unit; got {kind.__name__}. Pass `{name}.value`.")
    if hasattr(kind, "to_numpy") and (hasattr(kind, "index") or hasattr(kind, "columns")):
        raise ValueError(f"`{name}` must be an array without labels; got {kind.__name__}. Pass `{name}.to_numpy()`.")
    if "xarray" in sys.modules and isinstance(value, sys.modules["xarray"].Dataset):
        raise ValueError(
            f"`{name}` must be one array; got a Dataset. Filter its variables with `.map(fastsep.gaussian, ...)`."
        )

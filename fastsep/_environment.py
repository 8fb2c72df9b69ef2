"""Patches as the variable `FASTSEP_PATCH` asks for, when it is imported: by `fastsep.pth`, as Python starts.

Not a function for that line to call, because Python reads the `.pth` files of virtual environments twice.
"""

import os
import sys

_told = os.environ.get("FASTSEP_PATCH", "0")
if _told in ("1", "internal"):
    from fastsep.scripts import patch

    patch(internal=_told == "internal")
elif _told != "0":
    sys.stderr.write(f"fastsep: FASTSEP_PATCH must be 0, 1 or internal; got {_told!r}\n")

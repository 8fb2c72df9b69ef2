"""What fastsep is measured by, from a checkout: `python -m benchmarks`, or `python -m pytest -n 0 benchmarks`.

The path through the code: cases (the table) -> operations (what each library does in a case) -> test_speed (a test for
each library) -> _measure (agreement, turns and limits) -> _replay (pytest-benchmark's statistics, tables and files)
-> _results -> _pages and _plots (what the pages show). `calibrate`, `methods` and `same_bits` are scripts of their own.
"""

import os

#: Waiting threads are to give way soon, or they spin on the core that the next contender needs. Set here, before any
#: module of this package loads OpenMP, which reads it.
ENVIRONMENT = {"GOMP_SPINCOUNT": "10000"}
for _name, _value in ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

"""What fastsep is measured by, from a checkout: `python -m benchmarks`, or `python -m pytest -n 0 benchmarks`.

The path through the code: cases (the table) -> operations (what each library does in a case) -> _measure (turns and
limits) -> _results (figures as JSON) -> _text, _plots, _report, _readme and _compare (what is made of them).
`calibrate` and `methods` are scripts of their own, about the choice of methods in `correlate`.
"""

"""Functions of scikit-image and SciPy replaced by those of this package, in scripts that stay as they are.

    patching.py     what is patched now; modules and names changed, and changed back
      hook.py       an import hook, for modules that are imported later
      names.py      names that modules hold already
      wrappers.py   what stands in a function's place: fastsep's function, or the original, call by call
        skimage_calls.py, scipy_calls.py, checks.py    which calls fastsep's function takes, and why not the others
        worth.py    from when on it pays to load fastsep
        tally.py    how often each of both ran, and how long
    targets.py      the functions

Until scikit-image or SciPy is imported, none of this imports NumPy.
"""

"""Compiled code: nothing else imports Numba or llvmlite."""

"""Runs plans: memory, threads, the arguments of kernels, pipelines, Fourier transforms."""

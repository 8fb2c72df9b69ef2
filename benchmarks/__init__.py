"""What fastsep is measured by. Each module runs by itself, from a checkout: python -m benchmarks.separable."""

"""Convolution layers: from a checked `LayerSpec` to the argument block of their kernels."""

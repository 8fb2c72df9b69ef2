"""What Numba has no words for: vectors, tiles of registers, prefetches."""

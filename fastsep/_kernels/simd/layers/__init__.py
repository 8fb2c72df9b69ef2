"""Register tiles of convolution layers as Numba intrinsics.

Channels come in one of two forms. *Blocks*: a vector holds as many neighbouring channels of one
pixel as it has lanes, and pixels follow each other. *Planes*: a vector holds neighbouring pixels of
one channel. Packed images, depthwise results and factors of the matrix product are all kept in one
of the two, on cache lines, so that pixels are at constant distances from each other and a tile
needs few address registers. None of the intrinsics checks an address.
"""

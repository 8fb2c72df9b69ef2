"""Volumes: tubes, by the eigenvalues of second derivatives at two scales."""

import numpy as np
from scipy import ndimage as ndi
from skimage.feature import hessian_matrix, hessian_matrix_eigvals

z, y, x = np.mgrid[-1:1:48j, -1:1:120j, -1:1:120j]
volume = np.exp(-(((y - 0.4 * np.sin(3 * x)) ** 2 + (z - 0.3 * np.cos(4 * x)) ** 2) / 0.004))
volume += np.random.default_rng(0).normal(0, 0.1, volume.shape)
flat = volume - ndi.uniform_filter(volume, 25)
tubes = np.zeros(volume.shape)
for sigma in (2, 4):
    values = hessian_matrix_eigvals(hessian_matrix(flat, sigma, use_gaussian_derivatives=True))
    tubes = np.maximum(tubes, sigma**2 * np.maximum(-values[1], 0))
smooth = ndi.gaussian_filter(tubes, 1)

"""Photos: of pictures with different focus, every pixel from where it is sharpest."""

import numpy as np
from scipy import ndimage as ndi
from skimage import color, data, filters

scene = np.tile(data.astronaut() / 255, (3, 3, 1))
depth = np.linspace(0, 4, len(scene))[:, None, None]
blurred = [ndi.gaussian_filter(scene, (sigma, sigma, 0)) for sigma in (0, 2, 4)]
away = [abs(depth - place) for place in range(5)]
stack = [np.where(far < 0.7, scene, np.where(far < 2, blurred[1], blurred[2])) for far in away]
sharpness = [ndi.gaussian_filter(np.abs(filters.laplace(color.rgb2gray(picture))), 8) for picture in stack]
best = ndi.median_filter(np.argmax(sharpness, axis=0).astype(np.uint8), 15)
merged = np.take_along_axis(np.stack(stack), best[None, ..., None].astype(int), 0)[0]

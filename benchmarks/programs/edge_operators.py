"""Which operator turns best: the error of the direction that each finds on rings, where it is known."""

import numpy as np
from skimage import data, filters

y, x = np.mgrid[-10:10:1024j, -10:10:1024j]
rings = np.sin(x**2 + y**2)
true = np.arctan2(y, x)
errors = {}
for name in ("sobel", "scharr", "prewitt", "farid"):
    down, right = getattr(filters, f"{name}_h")(rings), getattr(filters, f"{name}_v")(rings)
    difference = np.arctan2(down, right) - true
    errors[name] = np.abs((difference + np.pi / 2) % np.pi - np.pi / 2)
camera = data.camera()
strength = np.stack([filters.roberts(camera), filters.sobel(camera), filters.scharr(camera), filters.farid(camera)])

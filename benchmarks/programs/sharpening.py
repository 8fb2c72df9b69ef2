"""The moon, sharpened by several radii and amounts."""

from skimage import data
from skimage.filters import unsharp_mask

moon = data.moon()
sharp = [unsharp_mask(moon, radius=radius, amount=amount) for radius in (1, 5, 20) for amount in (1, 2)]

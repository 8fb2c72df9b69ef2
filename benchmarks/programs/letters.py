"""Grey morphology: a page in uneven light, and the strokes of its letters."""

from skimage import data, filters
from skimage.morphology import black_tophat, closing, disk, opening, white_tophat

page = data.page()
light = closing(page, disk(9))
strokes = black_tophat(page, disk(9))
clean = opening(filters.median(page, disk(1)), disk(1))
specks = white_tophat(page, disk(3))
letters = strokes > filters.threshold_otsu(strokes)

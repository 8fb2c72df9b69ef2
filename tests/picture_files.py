"""Pictures in files, for tests."""

import numpy as np


def save(path, pixels, **options):
    from PIL import Image

    Image.fromarray(pixels).save(path, **options)
    return pixels


def load(path):
    from PIL import Image

    with Image.open(path) as file:
        return np.array(file)


def grey_of(pixels):
    from PIL import Image

    return np.array(Image.fromarray(pixels).convert("L"))


def names(path):
    return sorted(entry.name for entry in path.iterdir())

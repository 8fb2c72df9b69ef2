"""From a photograph to its contours: denoise, gradient, Canny, the edges drawn over the picture.

    python -m pip install ".[examples]" && python examples/edge_detection.py

Prints the time of every step and writes `edge-detection.png`.
"""

import argparse
import pathlib
import time

import matplotlib

matplotlib.use("Agg")  # draws into files, so that no display is needed

import matplotlib.pyplot as plt
import numpy as np
import skimage.data

import fastsep

parser = argparse.ArgumentParser(description="Contours of a photograph.")
parser.add_argument("-o", "--output", default="edge-detection.png", help="picture to write (default: %(default)s)")
output = pathlib.Path(parser.parse_args().output)
if output.suffix not in (".png", ".pdf", ".svg") or not output.resolve().parent.is_dir():
    parser.error(f"{output} is no .png, .pdf or .svg in a folder that can be written to")

photo = skimage.data.coffee()
grey = np.dot(photo / 255, (0.299, 0.587, 0.114)).astype(np.float32)
steps = {
    "noisy": lambda: grey + np.random.default_rng(0).normal(0, 0.05, grey.shape).astype(np.float32),
    "denoised": lambda: fastsep.gaussian(found["noisy"], 1.5),
    "gradient": lambda: fastsep.gradient(found["denoised"], "scharr", output=("magnitude", "orientation")),
    "edges": lambda: fastsep.canny(found["noisy"], 2.5, 0.15, 0.3, mode="nearest"),
}
found = {}
for name, step in steps.items():
    start, found[name] = time.perf_counter(), step()
    print(f"{name:10} {1e3 * (time.perf_counter() - start):7.1f} ms, the first time")

contours = np.where(found["edges"][..., None], (0, 255, 0), photo).astype(np.uint8)
panels = dict(zip(("gradient", "orientation"), found["gradient"], strict=True), noisy=found["noisy"], contours=contours)
figure, axes = plt.subplots(2, 2, figsize=(9, 6.4), layout="constrained")
for axis, (title, panel) in zip(axes.flat, panels.items(), strict=True):
    axis.imshow(panel, cmap="twilight" if title == "orientation" else "gray")
    axis.set(title=title, xticks=[], yticks=[])
figure.savefig(output, dpi=100)
print(f"wrote {output}")

"""What a process pays before its first result: import, first compile, a whole short script.

    python -m benchmarks.startup [--repeats N] [--json FILE]

Every figure is the median over fresh processes that take turns. The scripts share one compile
cache, filled beforehand, in a temporary folder; the first compile gets an empty one each time.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

IMAGE = "image = numpy.arange(1080 * 1920, dtype='f4').reshape(1080, 1920)"
OPENCV = """
dx = cv2.Sobel(image, cv2.CV_32F, 1, 0)
dy = cv2.Sobel(image, cv2.CV_32F, 0, 1)
cv2.magnitude(dx, dy)
"""
# Name -> script, timed from outside as a whole process.
SCRIPTS = {
    "import numpy": "import numpy",
    "import fastsep, numpy": "import fastsep, numpy",
    "sobel 1080p, fastsep": f"import fastsep, numpy\n{IMAGE}\nfastsep.sobel(image)",
    "sobel 1080p, scikit-image": (f"import numpy\nfrom skimage.filters import sobel\n{IMAGE}\nsobel(image)"),
    "sobel 1080p, OpenCV": f"import cv2, numpy\n{IMAGE}{OPENCV}",
}
# Times itself: the first call, without the imports before it, in a process that finds no cache.
FIRST = """
import time, numpy, fastsep
image = numpy.ones((1080, 1920), 'f4')
start = time.perf_counter()
fastsep.gaussian(image)
print(time.perf_counter() - start)
"""


def run(script: str, cache: str) -> tuple[float, str]:
    """Seconds of the whole process, and what it printed."""
    command = [sys.executable, "-c", script]
    environment = os.environ | {"FASTSEP_CACHE_DIR": cache}
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return time.perf_counter() - start, done.stdout


def first_call() -> float:
    with tempfile.TemporaryDirectory() as empty:
        return float(run(FIRST, empty)[1])


def measure(repeats: int) -> dict[str, float]:
    """Medians in seconds."""
    samples: dict[str, list[float]] = {name: [] for name in (*SCRIPTS, "first call")}
    with tempfile.TemporaryDirectory() as cache:
        for script in SCRIPTS.values():
            run(script, cache)  # fills the compile cache, and the system's cache of files
        for _ in range(repeats):
            for name, script in SCRIPTS.items():
                samples[name].append(run(script, cache)[0])
            samples["first call"].append(first_call())
    return {name: statistics.median(times) for name, times in samples.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7, metavar="N")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    options = parser.parse_args()

    if hasattr(os, "getloadavg"):
        print("load", " ".join(f"{load:.2f}" for load in os.getloadavg()))
    times = measure(options.repeats)
    for name, seconds in times.items():
        print(f"{name:28} {1e3 * seconds:8.1f} ms")

    script = times["sobel 1080p, fastsep"]
    rows = [
        (
            "import fastsep, over import numpy",
            times["import fastsep, numpy"] - times["import numpy"],
            0.030,
        ),
        ("first gaussian, nothing compiled", times["first call"], 2.5),
        ("sobel script, against scikit-image's", script, times["sobel 1080p, scikit-image"]),
        ("sobel script, against OpenCV's", script, None),
    ]
    print()
    for name, seconds, limit in rows:
        if limit is None:
            other = times["sobel 1080p, OpenCV"]
            verdict = f"{other / script:.2f} times as fast, nothing aimed at"
        else:
            verdict = f"limit {1e3 * limit:8.1f} ms  {'ok' if seconds <= limit else 'SHORT'}"
        print(f"{name:38} {1e3 * seconds:8.1f} ms  {verdict}")
    if options.json:
        options.json.write_text(json.dumps(times, indent=1) + "\n")


if __name__ == "__main__":
    main()

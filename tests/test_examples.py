"""Every example runs, says what it should, and leaves its picture and nothing else."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTS = {
    "edge_detection": ([], "ms, the first time"),
    "video_edges": (["--frames", "6"], "frames a second"),
    "any_kernel": (["--quick"], "bank of 24 kernels 31 x 31: 24 terms"),
    "mobilenet_v1": (
        ["--size", "32", "--rounds", "1"],
        "of the largest logit" if importlib.util.find_spec("torch") else "ms a pass",
    ),
    "missing_pixels": (["--quick"], "15% are missing"),
    "separable_convolutions": (["--quick"], "separable           53,952      843            22.78"),
    "texture_channels": (["--quick"], "1944 + 96 multiplications a pixel"),
}

pytestmark = pytest.mark.skipif(not EXAMPLES.exists(), reason="an installed package has no examples beside it")


def run(name, *arguments, cwd):
    environment = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    command = [sys.executable, EXAMPLES / f"{name}.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_examples_run(name, tmp_path):
    image = pytest.importorskip("PIL.Image")
    pytest.importorskip("matplotlib")
    arguments, expected = SCRIPTS[name]
    done = run(name, *arguments, "--output", "picture.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout
    assert done.stdout.endswith("wrote picture.png\n")
    assert os.listdir(tmp_path) == ["picture.png"]
    with image.open(tmp_path / "picture.png") as picture:
        assert min(picture.size) >= 500


@pytest.mark.slow
def test_an_image_larger_than_memory_is_filtered(tmp_path):
    pytest.importorskip("zarr", minversion="3")
    done = run("larger_than_memory", "--side", "2500", "--memory", "24", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2,500 x 2,500 uint16: 12 MiB" in done.stdout
    assert "the middle has the bits of the result in memory" in done.stdout
    assert not os.listdir(tmp_path)


@pytest.mark.slow
def test_a_mosaic_is_filtered_on_a_cluster(tmp_path):
    done = run("on_a_cluster", "--side", "3600", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "dashboard: http://127.0.0.1:" in done.stdout
    assert "3,600 x 3,600 uint16: 4 chunks" in done.stdout
    assert "the middle has the bits of the result in memory" in done.stdout


@pytest.mark.slow
def test_a_script_as_it_is_runs_both_ways(tmp_path):
    script = EXAMPLES / "script_as_it_is.py"
    plain, fast = (
        subprocess.run([sys.executable, *options, script], capture_output=True, text=True, cwd=tmp_path)
        for options in ((), ("-m", "fastsep", "run", "--report"))
    )
    assert plain.stdout.endswith(" pixels of outlines\n")
    assert (fast.stdout, fast.returncode, plain.returncode) == (plain.stdout, 0, 0)
    assert "fastsep: 7 of 7 calls ran fast" in fast.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "output"),
    [("mobilenet_v1", "picture.txt"), *((name, "nowhere/picture.png") for name in SCRIPTS)],
)
def test_what_cannot_be_written_is_refused_first(name, output, tmp_path):
    pytest.importorskip("matplotlib")
    done = run(name, "--output", output, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(
        f"{output} is no .png, .pdf or .svg in a folder that can be written to"
    )
    assert not done.stdout
    assert not os.listdir(tmp_path)


# ---- the network


@pytest.fixture(scope="module")
def mobilenet():
    spec = importlib.util.spec_from_file_location("mobilenet_v1", EXAMPLES / "mobilenet_v1.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def image(rng):
    return rng.uniform(-1, 1, (40, 40, 3)).astype(np.float32)  # maps of 20, 10, 5, 3 and 2 pixels


def convolved(x, kernel, stride, mix):
    """Padded as TensorFlow does; `mix` takes the pixels under one tap and its part of the kernel."""
    sides = []
    for n in x.shape[:2]:
        total = max((-(-n // stride) - 1) * stride + 3 - n, 0)
        sides.append((total // 2, total - total // 2))
    height, width = (-(-n // stride) for n in x.shape[:2])
    x = np.pad(x, (*sides, (0, 0)))
    return sum(
        mix(x[i:, j:][: height * stride : stride, : width * stride : stride], kernel[i, j])
        for i in range(3)
        for j in range(3)
    )


def in_numpy(module, weights, image):
    """The network in float64; a batch normalisation is in the weights already."""
    x = convolved(image.astype(np.float64), weights.stem.kernel, 2, np.matmul) + weights.stem.bias
    x = np.clip(x, 0, 6)
    for (depthwise, pointwise), (_, stride) in zip(weights.layers, module.LAYERS, strict=True):
        x = np.clip(convolved(x, depthwise.kernel, stride, np.multiply) + depthwise.bias, 0, 6)
        x = np.clip(x @ pointwise.kernel.astype(np.float64) + pointwise.bias, 0, 6)
    assert 0.1 < (x > 0).mean() < 0.9  # neither dead nor saturated
    return x.mean(axis=(0, 1)) @ weights.classifier.kernel + weights.classifier.bias


def test_the_network_is_right(mobilenet, image):
    logits = mobilenet.build(seed=3, size=40)(image)
    expected = in_numpy(mobilenet, mobilenet.random_weights(3), image)
    assert logits.shape == (1000,)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_passes_do_not_disturb_each_other(mobilenet, image):
    network = mobilenet.build(seed=3, size=40, workers=1)
    first = network(image)
    copy = first.copy()
    assert not np.array_equal(network(-image), copy)
    np.testing.assert_array_equal(first, copy)
    np.testing.assert_array_equal(network(image), copy)
    np.testing.assert_array_equal(mobilenet.build(seed=3, size=40, workers=2)(image), copy)
    assert not np.array_equal(mobilenet.build(seed=4, size=40)(image), copy)


def test_it_costs_what_the_paper_says(mobilenet):
    """Table 4 there: 569 million with the classifier, 4866 million with standard convolutions."""
    stem, *layers = mobilenet.costs(224)
    separable = stem.standard.multiplications + sum(cost.separable.multiplications for cost in layers)
    assert round((separable + 1024 * 1000) / 1e6) == 569
    assert round((stem.standard.multiplications + sum(c.standard.multiplications for c in layers)) / 1e6) == 4866


def test_it_agrees_with_torch(mobilenet, image):
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    weights = mobilenet.random_weights(3)
    try:
        expected = mobilenet.in_torch(weights, 1)(image)
    finally:
        torch.set_num_threads(threads)
    logits = mobilenet.MobileNetV1(weights, 40, 1)(image)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())

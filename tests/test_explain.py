"""`explain` and the commands: what they say is what runs."""

import numpy as np
import pytest

import fastsep
from fastsep import __main__, corners, correlation, edges, filters, gaussians, layers, morphology, peaks, ranks
from fastsep._kernels import jit

IMAGE = np.broadcast_to(np.float32(0), (1080, 1920))
SIDE = 1 << 19  # of an image for which there would be no memory
ARGUMENTS = {
    "box": {"size": 5},
    "difference_of_gaussians": {"low_sigma": 1},
    "gaussian_gradient_magnitude": {"sigma": 1},
    "gaussian_laplace": {"sigma": 1},
    "separable_filter": {"taps": [1, 2, 1]},
    "correlate": {"kernel": [[1, 2], [3, 4]]},
    "convolve": {"kernel": [[1, 2], [3, 4]]},
    "correlate_bank": {"kernels": np.ones((2, 5, 5))},
    "apply_hysteresis_threshold": {"low": 0.1, "high": 0.2},
    "hessian_matrix": {"use_gaussian_derivatives": False},
    "conv2d": {"kernel": np.ones((3, 3, 3, 5), "f4")},
    "depthwise_conv2d": {"kernel": np.ones((3, 3, 3), "f4")},
    "pointwise_conv2d": {"kernel": np.ones((3, 5), "f4")},
    "separable_conv2d": {"depthwise_kernel": np.ones((3, 3, 3), "f4"), "pointwise_kernel": np.ones((3, 5), "f4")},
}
MODULES = (filters, gaussians, edges, corners, correlation, morphology, ranks, peaks, layers)
NAMES = [name for module in MODULES for name in module.__all__ if not isinstance(getattr(module, name), type)]
NO_TAPS = ("box", *morphology.__all__, *ranks.__all__, *peaks.__all__)
DECISIONS = ("canny", "apply_hysteresis_threshold")


def largest(name):
    """An image that no machine can filter."""
    return np.broadcast_to(np.float32(0), (SIDE, SIDE, 3) if name in layers.__all__ else (SIDE, SIDE))


@pytest.mark.parametrize("name", NAMES)
def test_every_function_is_explained_and_not_run(name):
    image = largest(name)
    plan = fastsep.explain(getattr(fastsep, name), image, **ARGUMENTS.get(name, {}))
    result = np.dtype(bool if name in DECISIONS else np.float32)
    assert (plan.function, plan.shape, plan.dtype, plan.result) == (name, image.shape, np.float32, result)
    text = str(plan)
    assert text.startswith(f"{name}: {' x '.join(map(str, image.shape))} float32 -> {result}\n  strategy ")
    assert "\n  error bound " in text
    if name == "apply_hysteresis_threshold":
        assert not plan.halo
        assert any("any other" in note for note in plan.notes)
        return
    assert len(plan.halo) == 2
    assert f"\n  halo             {plan.halo[0][0]} + {plan.halo[0][1]}, " in text
    if name not in NO_TAPS:
        assert 0 < plan.multiplications <= plan.dense_multiplications
        assert "\n  multiplications " in text
    if name not in layers.__all__:
        assert plan.seconds > 1
        assert "\n  estimate " in text


@pytest.mark.parametrize("name", [name for name in NAMES if name not in layers.__all__])
def test_no_kernel_is_compiled_to_explain_a_filter(name, monkeypatch):
    def refuse(*key):
        raise AssertionError(f"the kernel {key} was asked for")

    fastsep.clear_caches()
    monkeypatch.setattr(jit, "kernel", refuse)
    assert fastsep.explain(getattr(fastsep, name), IMAGE, **ARGUMENTS.get(name, {})).strategy


@pytest.mark.parametrize(
    ("name", "options", "stages", "halo"),
    [
        ("gradient", {}, ["derivatives: sweep"], 1),
        ("gradient", {"operator": "farid", "sigma": 2}, ["smoothing", "derivatives"], 10),
        ("gradient", {"operator": "gaussian", "sigma": 2}, ["derivatives: lines", "dy, dx: polar"], 8),
        ("gradient", {"sigma": 1, "mode": "wrap"}, ["smoothing", "derivatives"], 5),
        ("canny", {"sigma": 2}, ["smoothing", "gradient", "non-maximum", "hysteresis"], 10),
        ("canny", {"use_quantiles": True}, ["smoothing", "gradient", "quantiles", "non-maximum", "hysteresis"], 6),
        ("structure_tensor", {}, ["derivatives", "blur"], 5),
        ("structure_tensor", {"mode": "wrap"}, ["derivatives", "blur"], 5),
        ("hessian_matrix", {"use_gaussian_derivatives": False}, ["blur", "differences"], 6),
        ("hessian_matrix", {"use_gaussian_derivatives": True, "sigma": 2}, ["derivatives", "derivatives"], 22),
        ("corner_harris", {"sigma": 3}, ["derivatives", "blur", "measure"], 13),
        ("corner_shi_tomasi", {"cval": 1}, ["derivatives", "blur", "measure"], 5),
    ],
)
def test_stages_are_told_and_their_halos_add_up(name, options, stages, halo):
    plan = fastsep.explain(getattr(fastsep, name), IMAGE, **options)
    assert len(plan.stages) == len(stages)
    assert all(map(str.startswith, plan.stages, stages)), plan.stages
    assert plan.halo == ((halo, halo), (halo, halo))
    assert all(stage in str(plan) for stage in plan.stages)


@pytest.mark.parametrize("name", ["gradient", "structure_tensor", "corner_harris"])
def test_no_pixel_beyond_the_halo_counts(name, rng):
    image = rng.random((60, 64))
    image[20:41, 20:41] = 0
    options = {"sigma": 1} if name == "gradient" else {}
    ((top, below), (left, right)) = fastsep.explain(getattr(fastsep, name), image, **options).halo
    before = fastsep_results(name, image, options)
    image[: 30 - top], image[31 + below :], image[:, : 30 - left], image[:, 31 + right :] = 7, 7, 7, 7
    for one, other in zip(before, fastsep_results(name, image, options), strict=True):
        assert one[30, 30] == other[30, 30]


def fastsep_results(name, image, options):
    found = getattr(fastsep, name)(image, **options)
    return [found] if isinstance(found, np.ndarray) else found


def test_layers_are_explained(rng):
    x = np.broadcast_to(np.uint8(0), (480, 640, 3))
    depthwise, pointwise = rng.random((3, 5, 3), "f4"), rng.random((3, 16), "f4")
    plan = fastsep.explain(fastsep.separable_conv2d, x, depthwise, pointwise, padding="same", dilation=2)
    assert plan.stages == ("depthwise, 3 x 5", "pointwise")
    assert (plan.multiplications, plan.dense_multiplications) == (45 + 48, 15 * 48)
    assert (plan.halo, plan.result) == (((2, 2), (4, 4)), np.float32)


@pytest.mark.parametrize(
    ("layer", "function", "kernels"),
    [
        ("Conv2D", "conv2d", ((3, 5, 3, 4),)),
        ("DepthwiseConv2D", "depthwise_conv2d", ((3, 5, 3, 2),)),
        ("SeparableConv2D", "separable_conv2d", ((3, 5, 3), (3, 16))),
    ],
)
def test_a_layer_is_explained_as_its_function_is(layer, function, kernels, rng):
    x = np.broadcast_to(np.uint8(0), (480, 640, 3))
    arrays = [rng.random(shape, "f4") for shape in kernels]
    plan = fastsep.explain(getattr(fastsep, function), x, *arrays, padding="same", dilation=2)
    made = getattr(fastsep, layer)(*arrays, padding="same", dilation=2)
    for _ in range(2):  # new, and prepared for this shape
        again = fastsep.explain(made, x)
        assert (again.function, again.stages, again.halo) == (layer, plan.stages, plan.halo)
        assert again.multiplications == plan.multiplications
        made(np.zeros(x.shape, np.uint8))
    assert fastsep.explain(made, x=np.zeros((0, 480, 640, 3), "f4")).strategy == "nothing"


@pytest.mark.parametrize(
    ("call", "multiplications", "dense", "halo"),
    [
        (("gaussian", {"sigma": 2}), 34, 289, ((8, 8), (8, 8))),
        (("sobel", {}), 10, 12, ((1, 1), (1, 1))),
        (("sobel_h", {}), 5, 6, ((1, 1), (1, 1))),
        (("laplace", {}), 5, 5, ((1, 1), (1, 1))),
        (("separable_filter", {"taps": ([1, 2, 3, 4], None)}), 4, 4, ((2, 1), (0, 0))),
        (("correlate", {"kernel": np.outer(range(1, 10), range(1, 13))}), 21, 108, ((4, 4), (6, 5))),
        (("convolve", {"kernel": np.outer(range(1, 10), range(1, 13))}), 21, 108, ((4, 4), (5, 6))),
    ],
)
def test_multiplications_and_halo(call, multiplications, dense, halo):
    name, arguments = call
    plan = fastsep.explain(getattr(fastsep, name), IMAGE, **arguments)
    assert (plan.multiplications, plan.dense_multiplications, plan.halo) == (multiplications, dense, halo)


def test_the_halo_is_what_a_result_depends_on(rng):
    kernel = rng.random((4, 7))
    image = rng.random((30, 30))
    ((top, below), (left, right)) = fastsep.explain(fastsep.correlate, image, kernel).halo
    whole = fastsep.correlate(image, kernel, method="direct")
    part = fastsep.correlate(image[10 - top : 11 + below, 12 - left : 13 + right], kernel, method="direct")
    assert part[top, left] == whole[10, 12]


def test_what_is_rejected_says_why(rng):
    plan = fastsep.explain(fastsep.correlate, IMAGE, rng.random((5, 5)))
    rejected = {method: (seconds, why) for method, seconds, why in plan.rejected}
    assert rejected["separable"][0] > plan.seconds
    assert rejected["separable"][1] == "5 terms"
    assert rejected["fft"][0] > plan.seconds
    plan = fastsep.explain(fastsep.correlate, IMAGE.astype("u1"), rng.random((5, 5)), dtype="u1")
    assert ("fft", None, "its integers would not be certain") in plan.rejected


@pytest.mark.parametrize(("dtype", "bound"), [("float32", "1e-04"), ("float64", "1e-10"), ("uint8", "1e-10")])
def test_the_local_bound_of_a_transform_is_told(dtype, bound, rng):
    plan = fastsep.explain(fastsep.correlate, np.zeros((900, 900), dtype), rng.random((63, 63)))
    assert plan.strategy == "fft"
    assert any(f"{bound} x sum(|kernel|) x the largest |pixel| under the kernel" in note for note in plan.notes)
    assert f"{bound} of itself" in str(plan)
    assert "under the kernel" not in str(fastsep.explain(fastsep.correlate, IMAGE, rng.random((5, 5))))


def test_a_copy_of_the_image_is_told():
    assert any("copied" in note for note in fastsep.explain(fastsep.sobel, np.zeros((9, 9), np.float16)).notes)
    assert not any("copied" in note for note in fastsep.explain(fastsep.sobel, np.zeros((9, 9))).notes)


def test_masks_and_images_given_by_name():
    plan = fastsep.explain(fastsep.sobel, image=np.zeros((9, 9)), mask=np.ones((9, 9), bool))
    assert plan.strategy == "sweep"
    assert fastsep.explain(fastsep.sobel, np.zeros((0, 9))).strategy == "nothing"


def test_what_is_no_filter_is_refused():
    for function in (
        np.sum,
        fastsep.factorize,
        fastsep.clear_caches,
        fastsep.Conv2D,
        fastsep.SeparableConv2D,
        "sobel",
        fastsep.explain,
    ):
        with pytest.raises(TypeError, match="`function` must be a filter or a layer"):
            fastsep.explain(function, IMAGE)
    with pytest.raises(TypeError, match="needs the image"):
        fastsep.explain(fastsep.sobel)
    with pytest.raises(ValueError, match="`sigma` must be finite"):
        fastsep.explain(fastsep.gaussian, IMAGE, -1)


def test_no_image_is_too_large_to_be_explained(rng):
    image = np.broadcast_to(np.float32(0), (400_000, 400_000))
    assert fastsep.explain(fastsep.correlate, image, rng.random((31, 31))).seconds > 100
    assert fastsep.explain(fastsep.correlate_bank, image, np.ones((64, 1, 3))).strategy == "separable"
    assert fastsep.explain(fastsep.gaussian, image, 2).strategy == "lines"


def test_no_filter_is_too_wide_to_be_explained():
    plan = fastsep.explain(fastsep.gaussian, IMAGE, 20_000)
    assert plan.dense_multiplications == 160_001**2
    plan = fastsep.explain(fastsep.difference_of_gaussians, IMAGE, 2_000, 20_000)
    assert plan.dense_multiplications == 160_001**2


def test_the_range_of_a_broadcast_image_is_found_at_once():
    image = np.broadcast_to(np.float32(-1), (SIDE, SIDE))
    assert fastsep.explain(fastsep.unsharp_mask, image).strategy == "lines"


def test_out_counts_and_is_checked():
    out = np.full((9, 9), 7.0)
    assert fastsep.explain(fastsep.sobel, np.zeros((9, 9), np.float32), out=out).result == np.float64
    assert (out == 7).all()
    with pytest.raises(ValueError, match="`workers` must be"):
        fastsep.explain(fastsep.sobel, IMAGE, workers=-3)


def test_a_bank_is_explained(rng):
    kernels = np.einsum("ni,nj->nij", rng.random((3, 9)), rng.random((3, 11)))
    plan = fastsep.explain(fastsep.correlate_bank, IMAGE, kernels)
    assert (plan.strategy, plan.why) == ("separable", "3 terms for 3 kernels")
    assert len(plan.terms) == 3
    assert plan.dense_multiplications == kernels.size
    assert plan.halo == ((4, 4), (5, 5))
    assert "direct: " in str(plan)
    assert fastsep.explain(fastsep.correlate_bank, np.zeros((0, 5)), kernels).strategy == "nothing"
    plan = fastsep.explain(fastsep.correlate_bank, IMAGE, kernels, method="direct")
    assert plan.strategy == "direct"
    assert plan.multiplications == kernels.size


# ---- commands


def command(capsys, *arguments):
    status = __main__.main(list(arguments))
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_a_kernel_on_the_command_line_is_factorized(capsys):
    status, out, _ = command(capsys, "factorize", "1 2 1; 2 4 2; 1 2 1")
    assert status == 0
    assert out == str(fastsep.factorize([[1, 2, 1], [2, 4, 2], [1, 2, 1]])) + "\n"
    _, out, _ = command(capsys, "factorize", "-1/4, 0, 1/4; -1/2 0 1/2")
    assert "1/4 * (1, 2) x (-1, 0, 1)" in out


def test_a_kernel_or_a_bank_in_a_file_is_factorized(capsys, tmp_path, rng):
    kernels = np.einsum("i,rj,rk->ijk", rng.random(4), rng.random((1, 5)), rng.random((1, 6)))
    np.save(tmp_path / "k.npy", kernels)
    _, out, _ = command(capsys, "factorize", str(tmp_path / "k.npy"), "--bank")
    assert out.startswith("bank of 4 kernels 5 x 6: 1 term")
    _, out, _ = command(capsys, "factorize", str(tmp_path / "k.npy"), "--tol", "1e-9")
    assert out.startswith("kernel 4 x 5 x 6: rank 1 of 1")


def test_a_filter_is_explained_on_the_command_line(capsys):
    status, out, _ = command(
        capsys, "explain", "correlate", "kernel=1 2 1; 2 4 2", "mode=wrap", "--shape", "2160x3840", "--dtype", "uint8"
    )
    assert status == 0
    assert out.startswith("correlate: 2160 x 3840 uint8 -> float64")
    status, out, _ = command(capsys, "explain", "gaussian", "sigma=(1, 2)")
    assert status == 0
    assert out.startswith("gaussian: 1080 x 1920 float32 -> float32")


def test_files_that_hold_no_kernel_get_one_line(capsys, tmp_path):
    path = tmp_path / "k.npy"
    path.touch()
    assert command(capsys, "factorize", str(path))[2].startswith(f"fastsep factorize: cannot read the kernel {path}")
    with path.open("wb") as file:
        np.savez(file, a=np.ones(3))
    assert "an archive of arrays" in command(capsys, "factorize", str(path))[2]
    assert command(capsys, "factorize", "99999999999999999999 1")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("factorize", "1 2; 3"), "a kernel must be a .npy, .csv or .txt file"),
        (("factorize", "1/0"), "a kernel must be"),
        (("factorize", "nowhere.npy"), "cannot read the kernel nowhere.npy: No such file"),
        (("factorize", "1 2", "--rank", "0"), "`rank` must be"),
        (("factorize", "nan 1"), "`kernel` must be finite"),
        (("explain", "sum"), "there is no filter 'sum'; there are apply_hysteresis_threshold, box, "),
        (("explain", "gaussian", "--shape", "3y"), "--shape must be such as 1080x1920"),
        (("explain", "gaussian", "--dtype", "blue"), "--dtype such as float32"),
        (("explain", "gaussian", "sigma"), "an argument must be NAME=VALUE; got 'sigma'"),
        (("explain", "gaussian", "sigma=-1"), "`sigma` must be finite and not negative"),
        (("explain", "gaussian", "width=1"), "unexpected keyword argument 'width'"),
        (("explain", "correlate"), "missing 1 required positional argument: 'kernel'"),
    ],
)
def test_bad_commands_get_one_line_and_code_2(capsys, arguments, message):
    status, out, err = command(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert err.startswith(f"fastsep {arguments[0]}: ")
    assert message in err
    assert err.count("\n") == 1

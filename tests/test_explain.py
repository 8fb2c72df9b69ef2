"""`explain` and the commands: what they say is what runs."""

import re

import numpy as np
import pytest

import fastsep
from fastsep import __main__, _call, correlation, filters

IMAGE = np.broadcast_to(np.float32(0), (1080, 1920))
ARGUMENTS = {
    "box": {"size": 5},
    "difference_of_gaussians": {"low_sigma": 1},
    "separable_filter": {"taps": [1, 2, 1]},
    "correlate": {"kernel": [[1, 2], [3, 4]]},
    "convolve": {"kernel": [[1, 2], [3, 4]]},
}
NAMES = [*filters.__all__, *(name for name in correlation.__all__ if name != "correlate_bank")]


@pytest.fixture
def nothing_runs(monkeypatch):
    def refuse(*_):
        raise AssertionError("a pixel was computed")

    monkeypatch.setattr(_call, "execute", refuse)
    monkeypatch.setattr(_call._Job, "run", refuse)


@pytest.mark.parametrize("name", NAMES)
def test_every_filter_is_explained_and_not_run(name, nothing_runs):
    plan = fastsep.explain(getattr(fastsep, name), IMAGE, **ARGUMENTS.get(name, {}))
    assert plan.function == name
    assert plan.shape == IMAGE.shape
    assert plan.result == np.float32
    assert plan.seconds > 0
    text = str(plan)
    assert re.match(rf"{name}: 1080 x 1920 float32 -> float32\n  strategy ", text)
    for word in ("halo", "error bound", "estimate"):
        assert f"\n  {word} " in text


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
    for function in (np.sum, fastsep.conv2d, "sobel", fastsep.explain):
        with pytest.raises(TypeError, match="`function` must be a filter"):
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
        (("explain", "sum"), "there is no filter 'sum'; there are box, "),
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

"""Kernels as they are given on the command line."""

import json
import re
from fractions import Fraction

import numpy as np
import pytest

import fastsep
from fastsep._cli import kernel_text
from fastsep._cli.errors import Refusal

KERNEL = [[1.0, 2.0, 0.5], [-3.0, 0.0, 1e-3]]


@pytest.mark.parametrize(
    "text",
    ["1 2 0.5; -3 0 1e-3", "1,2,1/2;-3,0,1/1000", "[[1, 2, 0.5], [-3, 0, 1e-3]]", " ((1, 2, .5), (-3, 0, .001)) "],
)
def test_numbers(text):
    np.testing.assert_array_equal(kernel_text.read(text), KERNEL)


@pytest.mark.parametrize("name", ["k.csv", "k.txt", "K.CSV"])
@pytest.mark.parametrize(
    "content",
    [
        "1,2,0.5\n-3,0,1e-3\n",
        "1\t2\t1/2\r\n-3 0 1e-3",
        "# a kernel\n\n1; 2; 0.5\n-3; 0; 1e-3  # its second row\n",
        "\ufeff1, 2, 0.5\n-3, 0, 0.001\n\n",
    ],
)
def test_files_of_text(tmp_path, name, content):
    (tmp_path / name).write_bytes(content.encode())
    np.testing.assert_array_equal(kernel_text.read(str(tmp_path / name)), KERNEL)


def test_whole_numbers_stay_whole(tmp_path):
    (tmp_path / "k.txt").write_text("1 2\n3 4")
    for text in ("1 2; 3 4", "[[1, 2], [3, 4]]", str(tmp_path / "k.txt")):
        assert kernel_text.read(text).dtype.kind == "i"
    for text in ("99999999999999999999 1", "[99999999999999999999, 1]"):
        np.testing.assert_array_equal(kernel_text.read(text).ravel(), [1e20, 1])


def test_arrays_of_other_numbers_of_axes():
    assert kernel_text.read("[[[1, 2]], [[3, 4]]]").shape == (2, 1, 2)
    assert kernel_text.read("[1, 2]").shape == (2,)
    assert kernel_text.read("1 2 1").shape == (1, 3)


@pytest.mark.parametrize("name", ["sobel", "scharr", "prewitt", "farid"])
@pytest.mark.parametrize("suffix", ["_h", "_v", ""])
def test_an_operator_is_the_kernel_that_correlate_takes(name, suffix, rng):
    image = rng.random((12, 13))
    function = getattr(fastsep, name + (suffix or "_h"))
    result = fastsep.correlate(image, kernel_text.read(name + suffix))
    np.testing.assert_allclose(result[2:-2, 2:-2], function(image)[2:-2, 2:-2], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["gaussian", "laplace"])
def test_other_operators(name, rng):
    image = rng.random((22, 23))
    result = fastsep.correlate(image, kernel_text.read(name))
    np.testing.assert_allclose(result[4:-4, 4:-4], getattr(fastsep, name)(image)[4:-4, 4:-4], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "text",
    ["1 2; 3", "1/0", "[[1, 2], [3]]", "[[1, 'a']]", "[1, None]", "[1,", "sobel_x", "sobel_d", "(" * 500, "", "[]]"],
)
def test_what_spells_no_kernel(text):
    with pytest.raises(
        Refusal, match=r"^a kernel must be a \.npy, \.csv or \.txt file, an operator such as sobel, or numbers"
    ):
        kernel_text.read(text)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "there are no numbers in it"),
        ("# nothing\n", "there are no numbers in it"),
        ("1 2\n3", "its rows are not of one length"),
        ("a,b\n1,2", "could not convert string to float: 'a'"),
        ("1,5;2\n", '"," and ";" in one line: is "," a decimal point?'),
        (b"\xff\xfe\x00", "it is not text"),
    ],
)
def test_files_that_hold_no_kernel(tmp_path, content, reason):
    path = tmp_path / "k.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Refusal) as refusal:
        kernel_text.read(str(path))
    assert str(refusal.value) == f"cannot read the kernel {path}: {reason}"


def test_the_command(command, tmp_path):
    (tmp_path / "k.csv").write_text("1,2,1\n2,4,2\n1,2,1\n")
    expected = str(fastsep.factorize([[1, 2, 1], [2, 4, 2], [1, 2, 1]])) + "\n"
    for text in (tmp_path / "k.csv", "[[1, 2, 1], [2, 4, 2], [1, 2, 1]]", "1 2 1; 2 4 2; 1 2 1"):
        assert command("factorize", text) == (0, expected, "")
    assert "1/4 * (1, 0, -1) x (1, 2, 1)" in command("factorize", "sobel")[1].replace("(-1, 0, 1)", "(1, 0, -1)")
    status, _, err = command("factorize", tmp_path / "nowhere.csv")
    assert (status, err.endswith("nowhere.csv: No such file or directory\n")) == (2, True)
    for name in ("sobel_h", str(tmp_path / "k.csv"), "[[1, 2], [3, 4]]"):
        assert command("explain", "correlate", f"kernel={name}")[0] == 0


# ---- JSON


def test_a_factorization_as_json_has_all_its_digits(command, tmp_path, rng):
    kernel = rng.random((4, 5))
    np.save(tmp_path / "k.npy", kernel)
    status, out, err = command("factorize", tmp_path / "k.npy", "--json")
    found = json.loads(out)
    assert (status, err, out.count("\n")) == (0, "", 1)
    total = sum(float(Fraction(t["scale"])) * np.outer(*t["taps"]) for t in found["terms"])
    np.testing.assert_allclose(total, kernel, rtol=0, atol=1e-14)
    assert found["shape"] == [4, 5]
    assert json.loads(command("factorize", "sobel", "--json")[1])["terms"][0]["scale"] == "1/4"


def test_a_bank_as_json(command, tmp_path, rng):
    kernels = np.einsum("i,rj,rk->ijk", rng.random(4), rng.random((1, 5)), rng.random((1, 6)))
    np.save(tmp_path / "k.npy", kernels)
    found = json.loads(command("factorize", tmp_path / "k.npy", "--bank", "--json")[1])
    total = np.einsum("rn,ri,rj->nij", found["mix"], found["y_taps"], found["x_taps"])
    np.testing.assert_allclose(total, kernels, rtol=0, atol=1e-12)


@pytest.mark.parametrize("words", [("gaussian", "sigma=2"), ("correlate", "kernel=laplace"), ("box", "size=5")])
def test_an_explanation_as_json(command, words):
    found = json.loads(command("explain", *words, "--shape", "30x40", "--dtype", "uint8", "--json")[1])
    assert (found["function"], found["shape"], found["dtype"]) == (words[0], [30, 40], "uint8")
    shown = command("explain", *words, "--shape", "30x40", "--dtype", "uint8")[1]
    assert f"strategy  {found['strategy']}" in re.sub(r"  +", "  ", shown)

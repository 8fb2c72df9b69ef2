"""Which pictures `edges`, `blur` and `sharpen` read, and what their results are called."""

import os
import sys

import numpy as np
import pytest
from picture_files import load, names, save

Image = pytest.importorskip("PIL.Image")
pytest.importorskip("tifffile")

pytestmark = pytest.mark.usefixtures("folder")

SPECIAL = "name with  two spaces.png"


def test_one_file_into_a_folder_keeps_its_name(command, photo, folder):
    save("a.jpg", photo)
    (folder / "out").mkdir()
    assert command("edges", "a.jpg", "-o", "out") == (0, "wrote out/a.png\n", "")
    assert command("blur", "a.jpg", "-o", "out/") == (0, "wrote out/a.jpg\n", "")
    assert names(folder / "out") == ["a.jpg", "a.png"]


def test_a_name_that_ends_as_a_folders_makes_a_folder(command, photo, folder):
    save("a.jpg", photo)
    save("b.jpg", photo)
    assert command("edges", "a.jpg", "-o", "new/") == (0, "wrote new/a.png\n", "")
    assert command("blur", "a.jpg", "-o", "two.png/") == (0, "wrote two.png/a.jpg\n", "")
    assert command("blur", "a.jpg", "b.jpg", "-o", "many.png/")[0] == 0
    assert names(folder / "many.png") == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("output", ["two.png", "two.JPEG", "two.tif"])
def test_many_pictures_do_not_go_to_the_name_of_one(command, photo, folder, output):
    (folder / "in").mkdir()
    save("in/a.png", photo)
    save("in/b.png", photo)
    for images in (["in"], ["in/a.png", "in/b.png"], ["in/*.png"]):
        status, _, err = command("edges", *images, "-o", output)
        assert status == 2
        assert "for many images it must be a folder; end its name with / if it is one" in err
    assert names(folder) == ["in"]


def test_many_files_and_folders(command, photo, folder):
    (folder / "in" / "deeper.png").mkdir(parents=True)
    for name in ("in/b.png", "in/a.JPG", "in/c.tiff", "in/deeper.png/d.png", SPECIAL):
        save(name, photo)
    (folder / "in" / "notes.txt").write_text("no picture")
    assert command("edges", "in", "-o", "out") == (0, "wrote 3 pictures to out\n", "")
    assert names(folder / "out") == ["a.png", "b.png", "c.png"]
    assert command("blur", "in", SPECIAL, "-o", "soft") == (0, "wrote 4 pictures to soft\n", "")
    assert names(folder / "soft") == sorted(["a.JPG", "b.png", "c.tiff", SPECIAL])
    with Image.open("soft/c.tiff") as file:
        assert file.format == "TIFF"
    assert command("edges", "in/b.png", SPECIAL, "-o", "out")[:2] == (0, "wrote 2 pictures to out\n")
    assert command("blur", SPECIAL, "-o", "soft") == (0, f"wrote soft/{SPECIAL}\n", "")


def test_options_may_stand_between_images(command, photo, folder):
    save("a.png", photo)
    save("b.png", photo)
    assert command("blur", "a.png", "--sigma", 2, "b.png", "-o", "out")[:2] == (0, "wrote 2 pictures to out\n")
    assert names(folder / "out") == ["a.png", "b.png"]


def test_hidden_files_are_not_pictures_of_a_folder(command, photo, folder):
    (folder / "in").mkdir()
    save("in/a.png", photo)
    (folder / "in" / "._a.png").write_bytes(b"what another system keeps beside a picture")
    assert command("edges", "in", "-o", "out") == (0, "wrote out/a.png\n", "")
    (folder / "in" / "._a.png").unlink()


@pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")
@pytest.mark.parametrize(("target", "reason"), [("nowhere.png", "No such file"), ("lost.png", "symbolic links")])
def test_links_in_a_folder_that_lead_nowhere_are_reported(command, photo, folder, target, reason):
    (folder / "in").mkdir()
    save("in/a.png", photo)
    os.symlink(target, "in/lost.png")
    status, out, err = command("edges", "in", "-o", "out")
    assert (status, out) == (1, "wrote out/a.png; 1 left out\n")
    assert err.startswith("fastsep edges: cannot read the image in/lost.png: ")
    assert reason in err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_called_a_picture_in_a_folder_and_is_no_file_is_reported(command, photo, folder):
    (folder / "in").mkdir()
    save("in/a.png", photo)
    os.mkfifo("in/b.png")
    status, _, err = command("edges", "in", "-o", "out")
    assert status == 1
    assert err == "fastsep edges: cannot read the image in/b.png: it is not a file\n"


# ---- wildcards


def test_wildcards_that_the_shell_left_are_replaced(command, photo, folder):
    for name in ("a.png", "b.png", "c.jpg", "in/a1.png", "in/deep/a2.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save(name, photo)
    assert command("blur", "*.png", "-o", "out") == (0, "wrote 2 pictures to out\n", "")
    assert names(folder / "out") == ["a.png", "b.png"]
    assert command("blur", "[c-d].jp?", "-o", "e.png") == (0, "wrote e.png\n", "")  # one picture, as from a shell
    assert command("blur", "in/**/*.png", "-o", "all")[:2] == (0, "wrote 2 pictures to all\n")
    assert names(folder / "all") == ["a1.png", "a2.png"]
    status, _, err = command("blur", "*.webp", "a.png", "-o", "out")
    assert (status, err) == (2, "fastsep blur: there is nothing that *.webp matches\n")


def test_a_name_with_wildcards_in_it_means_itself(command, photo, folder):
    save("a[1].png", photo)
    save("a1.png", np.zeros((3, 3), np.uint8))
    assert command("blur", "a[1].png", "-o", "b.png", "--sigma", 0) == (0, "wrote b.png\n", "")
    assert np.array_equal(load("b.png"), photo)


# ---- clashes


def test_all_clashes_are_listed_with_the_way_out(command, photo, folder):
    (folder / "in").mkdir()
    for name in ("a.jpg", "a.png", "b.png", "b.webp", "b.tif", "c.png"):
        save(f"in/{name}", photo)
    status, out, err = command("edges", "in", "-o", "out")
    assert (status, out) == (2, "")
    assert err == (
        "fastsep edges: in/a.jpg and in/a.png would both be written to out/a.png; in/b.png and in/b.tif would both be "
        "written to out/b.png; in/b.png and in/b.webp would both be written to out/b.png; --full-names would keep them "
        "apart\n"
    )
    assert not (folder / "out").exists()
    assert command("edges", "in", "-o", "out", "--full-names") == (0, "wrote 6 pictures to out\n", "")
    assert names(folder / "out") == ["a.jpg.png", "a.png", "b.png", "b.tif.png", "b.webp.png", "c.png"]
    assert command("blur", "in", "-o", "soft", "--full-names")[0] == 0
    assert names(folder / "soft") == names(folder / "in")


def test_pictures_of_one_name_in_several_folders(command, photo, folder):
    for name in ("top/one/c.png", "top/two/c.png"):
        (folder / name).parent.mkdir(parents=True)
        save(name, photo)
    err = command("edges", "top/one", "top/two", "-o", "out")[2]
    assert err == (
        "fastsep edges: top/one/c.png and top/two/c.png would both be written to out/c.png; --recursive and "
        "a folder above them would keep them apart\n"
    )
    assert command("edges", "top", "-r", "-o", "out")[0] == 0


@pytest.mark.parametrize("images", [("a.png", "a.png"), ("*.png", "a.png"), ("in", "in/b.png"), ("in", "in")])
def test_a_picture_that_is_named_twice(command, photo, folder, images):
    (folder / "in").mkdir()
    save("a.png", photo)
    save("in/b.png", photo)
    status, _, err = command("blur", *images, "-o", "out")
    assert status == 2
    assert err.endswith("; an image must not be named twice\n")


# ---- folders in folders


@pytest.fixture
def tree(photo, folder):
    for name in ("in/a.png", "in/one/a.png", "in/one/two/b.jpg", "in/.hidden/c.png", "in/one/.d.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save(name, photo)
    (folder / "in" / "empty").mkdir()
    yield folder
    (folder / "in" / "one" / ".d.png").unlink()
    (folder / "in" / ".hidden" / "c.png").unlink()
    (folder / "in" / ".hidden").rmdir()


def files(path):
    return sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())


def test_recursion_gives_the_same_folders(command, tree):
    assert command("edges", "in", "-o", "out", "--recursive") == (0, "wrote 3 pictures to out\n", "")
    assert files(tree / "out") == ["a.png", "one/a.png", "one/two/b.png"]
    assert names(tree / "out") == ["a.png", "one"]  # no folder for what is empty
    assert command("edges", "in", "-o", "flat") == (0, "wrote flat/a.png\n", "")


def test_recursion_leaves_out_the_results_of_an_earlier_run(command, tree):
    for _ in range(2):
        assert command("edges", "in", "-r", "-o", "in/out") == (0, "wrote 3 pictures to in/out\n", "")
    assert files(tree / "in" / "out") == ["a.png", "one/a.png", "one/two/b.png"]


@pytest.mark.skipif(sys.platform == "win32", reason="links of POSIX")
def test_recursion_does_not_follow_links_to_folders(command, tree):
    os.symlink("..", "in/one/back")
    assert command("edges", "in", "-r", "-o", "out") == (0, "wrote 3 pictures to out\n", "")


def test_folders_that_stay_empty_are_taken_away(command, tree):
    (tree / "in" / "one" / "two" / "b.jpg").write_bytes(b"no picture")
    assert command("edges", "in", "-r", "-o", "out")[:2] == (1, "wrote 2 pictures to out; 1 left out\n")
    assert names(tree / "out" / "one") == ["a.png"]


# ---- results that are there


def test_results_that_are_there_can_be_left_alone(command, photo, folder):
    (folder / "in").mkdir()
    save("in/a.png", photo)
    save("in/b.png", photo)
    assert command("blur", "in", "-o", "out")[0] == 0
    (folder / "out" / "a.png").write_bytes(b"by hand")
    (folder / "out" / "b.png").unlink()
    assert command("blur", "in", "-o", "out", "--skip-existing") == (0, "wrote out/b.png; 1 existed\n", "")
    assert (folder / "out" / "a.png").read_bytes() == b"by hand"
    assert command("blur", "in", "-o", "out", "--skip-existing") == (0, "wrote 0 pictures to out; 2 existed\n", "")
    assert command("blur", "in/a.png", "-o", "out/a.png", "--skip-existing")[:2] == (0, "out/a.png existed\n")
    assert command("blur", "in", "-o", "out")[0] == 0
    assert np.array_equal(load("out/a.png"), load("out/b.png"))

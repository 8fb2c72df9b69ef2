"""Which pictures a command reads, and the file that each result goes to."""

from __future__ import annotations

import contextlib
import glob
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from fastsep._cli.errors import Refusal
from fastsep._cli.pictures import picture as _pictures

#: Stands for standard input or standard output. A file of this name is "./-".
STREAM = "-"
SEPARATORS = (os.sep, os.altsep or os.sep)


class Job(NamedTuple):
    image: pathlib.Path | None  # None: standard input
    output: pathlib.Path | None  # None: standard output

    @property
    def name(self) -> str:
        """Of the image, for messages."""
        return "standard input" if self.image is None else str(self.image)


class Found(NamedTuple):
    image: pathlib.Path
    below: pathlib.PurePath  # its folder, as seen from the one that was named


class Names(NamedTuple):
    """How results in a folder are called."""

    suffix: Callable[[pathlib.Path], str]  # of an image's result
    full: bool  # photo.jpg.png instead of photo.png

    def of(self, image: pathlib.Path) -> str:
        suffix = self.suffix(image)
        if self.full:
            return image.name if image.suffix == suffix else image.name + suffix
        return image.stem + suffix


def plan(images: Sequence[str], output: str, names: Names, recursive: bool) -> tuple[list[Job], list[pathlib.Path]]:
    """What to read and to write, as far as that can be checked before; and the folders to write to."""
    images = [name for image in images for name in _matching(image)]
    many = len(images) > 1 or os.path.isdir(images[0])
    if output == STREAM:
        if many:
            raise Refusal("standard output takes one picture; for many, OUT must be a folder")
        return [Job(_source(images[0]), None)], []
    folder = many or output.endswith(SEPARATORS) or os.path.isdir(output)
    if STREAM in images and (folder or many):
        raise Refusal("standard input must be the only image, and OUT a file or standard output")
    if not folder:
        return [_one(_source(images[0]), pathlib.Path(output))], []
    target = pathlib.Path(output)
    if many and not target.exists() and not output.endswith(SEPARATORS) and _pictures.writable(target):
        raise Refusal(
            f"cannot write to {output}: for many images it must be a folder; end its name with {os.sep} if it is one"
        )
    return _many(images, target, names, recursive)


def _source(image: str) -> pathlib.Path | None:
    return None if image == STREAM else pathlib.Path(image)


def _matching(image: str) -> list[str]:
    """The name itself, or all that it matches where the shell has left wildcards as they are, as on Windows."""
    if not any(sign in image for sign in "*?[") or os.path.lexists(image):
        return [image]
    found = sorted(glob.glob(image, recursive=True))
    if not found:
        raise Refusal(f"there is nothing that {image} matches")
    return found


def _one(image: pathlib.Path | None, output: pathlib.Path) -> Job:
    if not output.suffix and not output.exists():
        raise Refusal(
            f"cannot write {output}: its name must end as a picture's, such as .png, or with {os.sep} for a folder"
        )
    _pictures.check_output(output, _pictures.identities([image] if image else []))
    return Job(image, output)


def _many(
    images: Sequence[str], output: pathlib.Path, names: Names, recursive: bool
) -> tuple[list[Job], list[pathlib.Path]]:
    if output.exists() and not output.is_dir():
        raise Refusal(f"cannot write to {output}: for many images it must be a folder")
    found = [picture for image in images for picture in _pictures_of(pathlib.Path(image), output, recursive)]
    jobs = [Job(image, output / below / names.of(image)) for image, below in found]
    if clashes := _clashes(jobs):
        full = names._replace(full=True)
        if not _clashes([Job(image, output / below / full.of(image)) for image, below in found]):
            remedy = "--full-names would keep them apart"
        elif len({image for image, _ in found}) < len(found):
            remedy = "an image must not be named twice"
        else:
            remedy = "--recursive and a folder above them would keep them apart"
        raise Refusal(f"{'; '.join(clashes)}; {remedy}")
    inputs = _pictures.identities(image for image, _ in found)
    for _, target in jobs:
        if target is not None and target.parent.exists():
            _pictures.check_output(target, inputs)
    folders = {output / part for _, below in found for part in (below, *below.parents)}
    return jobs, sorted(folders)


def _clashes(jobs: Sequence[Job]) -> list[str]:
    """What would be written to one file, all of it."""
    first: dict[str, Job] = {}
    found = []
    for job in jobs:
        # The file systems of Windows and of macOS do not tell large from small letters.
        name = str(job.output).casefold() if sys.platform in ("win32", "darwin") else str(job.output)
        other = first.setdefault(name, job)
        if other is not job:
            found.append(f"{other.name} and {job.name} would both be written to {job.output}")
    return found


def _pictures_of(image: pathlib.Path, output: pathlib.Path, recursive: bool) -> list[Found]:
    """The file itself, or the pictures in a folder; hidden ones are other programs' business."""
    if not image.is_dir():
        return [Found(image, pathlib.PurePath())]
    found = []
    for root, folders, files in os.walk(image, onerror=_unreadable):
        # The results of an earlier run are not images.
        kept = [name for name in folders if not name.startswith(".") and not _same(os.path.join(root, name), output)]
        folders[:] = sorted(kept) if recursive else []
        for name in sorted(files):  # links that lead nowhere are among them, and are reported when they are read
            path = pathlib.Path(root, name)
            if not name.startswith(".") and _pictures.readable(path):
                found.append(Found(path, path.parent.relative_to(image)))
    if not found:
        raise Refusal(f"there are no pictures in the folder {image}")
    return found


def _unreadable(error: OSError) -> None:
    raise Refusal(f"cannot read the folder {error.filename}: {error.strerror}") from error


def _same(first: str, second: pathlib.Path) -> bool:
    return second.exists() and os.path.samefile(first, second)


@contextlib.contextmanager
def made(folders: Sequence[pathlib.Path]) -> Iterator[None]:
    """Make the folders that are missing, each before those in it; take away again those that stay empty."""
    new: list[pathlib.Path] = []
    try:
        for folder in folders:
            if not folder.exists():
                try:
                    folder.mkdir(exist_ok=True)
                except OSError as error:
                    raise Refusal(f"cannot make the folder {folder}: {error.strerror}") from error
                new.append(folder)
        yield
    finally:
        for folder in reversed(new):
            with contextlib.suppress(OSError):  # it has something in it
                folder.rmdir()

"""Reads, filters and writes pictures, several at a time, and says what became of each."""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

import fastsep
from fastsep._cli import console, large, pages, paths
from fastsep._cli.errors import Refusal, extra, one_line, reason
from fastsep._cli.paths import Job
from fastsep._cli.pictures import picture as _pictures
from fastsep._cli.pictures.picture import Picture

WRITTEN, EXISTED, FAILED = "written", "existed", "failed"

# (picture, threads for its filter or None for all) -> what is written
Work = Callable[[Picture, int | None], Picture]


class Done(NamedTuple):
    job: Job
    status: str
    pages: int  # in the image's file
    seconds: float
    message: str  # of what failed


def run(
    options: argparse.Namespace, work: Work, suffix: Callable[[pathlib.Path], str], in_parts: large.InParts
) -> int:  # fmt: skip
    """Filter the pictures that the options name; the exit code. `in_parts`: what is done with large ones instead."""
    extra("PIL", "Pillow")
    if options.output == paths.STREAM:
        _check_standard_output(options.json)
    if options.jobs is not None and options.jobs < 1:
        raise Refusal(f"--jobs must be at least 1; got {options.jobs}")
    names = paths.Names(suffix, options.full_names)
    jobs, folders = paths.plan(options.images, options.output, names, options.recursive)
    _check_quality(options.quality, jobs)
    # Decoding and encoding take longer than filtering, and one thread a picture.
    cores = fastsep.get_num_threads()
    at_once = min(options.jobs or cores, len(jobs))
    workers = None if at_once == 1 else max(1, cores // at_once)

    def do(job: Job) -> Done:
        return _do(job, work, workers, options, in_parts, at_once)

    written: list[str] = []
    counts = {EXISTED: 0, FAILED: 0}
    # The decoders' settings hold for the whole process, so they are made once around all threads.
    with (
        paths.made(folders),
        _pictures.undisturbed(),
        _in_order(do, jobs, at_once) as results,
        _bar(options, jobs) as bar,
    ):
        for done in results:
            if done.status == WRITTEN:
                written.append(str(done.job.output))
            else:
                counts[done.status] += 1
            _report(done, options, bar)
    if not (options.quiet or options.json or options.output == paths.STREAM):
        _summarize(written, counts, jobs, options.output)
    return 1 if counts[FAILED] else 0


@contextlib.contextmanager
def _in_order(do: Callable[[Job], Done], jobs: Sequence[Job], at_once: int) -> Iterator[Iterable[Done]]:
    """The results in the order of the jobs. At an interrupt, pictures at work are finished and no others begun."""
    if at_once == 1:
        yield map(do, jobs)
        return
    with ThreadPoolExecutor(at_once) as pool:
        try:
            yield pool.map(do, jobs)
        finally:
            pool.shutdown(cancel_futures=True)


def _do(
    job: Job, work: Work, workers: int | None, options: argparse.Namespace, in_parts: large.InParts, at_once: int
) -> Done:  # fmt: skip
    start = time.perf_counter()
    count, message = 1, ""
    if options.skip_existing and job.output is not None and job.output.exists():
        return Done(job, EXISTED, count, 0.0, message)
    try:
        if job.image is not None and _by_parts(job.image, job.output, in_parts, workers, options, at_once):
            count = pages.count(job.image)
            return Done(job, WRITTEN, count, time.perf_counter() - start, "")
        with _readable(job.image) as path:
            picture = _pictures.read(path)
            count = pages.count(path)
        try:
            result = work(picture, workers)
        except (ValueError, OverflowError) as error:  # thresholds that do not fit this image, and such
            raise Refusal(f"{job.name}: {one_line(str(error))}") from error
        del picture  # before another copy is made to be written
        _write(job.output, result, options.quality)
    except Refusal as error:
        message = str(error)
    except MemoryError:
        message = f"{job.name}: not enough memory"
    return Done(job, FAILED if message else WRITTEN, count, time.perf_counter() - start, message)


def _by_parts(
    image: pathlib.Path, output: pathlib.Path | None, in_parts: large.InParts, workers: int | None,
    options: argparse.Namespace, at_once: int,
) -> bool:  # fmt: skip
    """`large.done`, with what goes wrong in one line."""
    progress = at_once == 1 and _is_watched(options)
    try:
        return large.done(image, output, in_parts, options.memory, at_once, workers, progress)
    except Refusal:
        raise
    except Exception as error:  # tifffile's decoders raise many things on damaged files
        raise Refusal(f"{image}: {reason(error)}") from error


@contextlib.contextmanager
def _readable(image: pathlib.Path | None) -> Iterator[pathlib.Path]:
    """A file that holds the image: decoders look at its end first, which a pipe does not allow."""
    if image is not None:
        yield image
        return
    if sys.stdin is None:
        raise Refusal("standard input is closed")
    data = sys.stdin.buffer.read()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "picture")
        path.write_bytes(data)
        del data
        try:
            yield path
        except Refusal as error:
            raise Refusal(str(error).replace(str(path), "standard input")) from error


def _write(output: pathlib.Path | None, picture: Picture, quality: int | None) -> None:
    if output is not None:
        _pictures.write(output, picture, quality)
        return
    pixels, alpha, _, others = picture
    png = pixels.dtype == np.uint8 or (pixels.dtype == np.uint16 and pixels.ndim == 2 and alpha is None)
    png = png and others is None
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "picture.png" if png else "picture.tif")
        _pictures.write(path, picture, None)
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)


def _check_standard_output(json: bool) -> None:
    reason = ""
    if json:
        reason = "--json writes there"
    elif sys.stdout is None:
        reason = "it is closed"
    elif sys.stdout.isatty():
        reason = "it is a terminal"
    if reason:
        raise Refusal(f"a picture cannot go to standard output: {reason}")


def _check_quality(quality: int | None, jobs: Sequence[Job]) -> None:
    if quality is None:
        return
    if not 1 <= quality <= 100:
        raise Refusal(f"--quality must be from 1 to 100; got {quality}")
    if not any(job.output is not None and _pictures.has_quality(job.output) for job in jobs):
        raise Refusal("--quality is for JPEG, WebP and AVIF files, and none would be written")


def _report(done: Done, options: argparse.Namespace, bar: Any) -> None:
    """What became of one picture."""
    job = done.job
    lines = [f"fastsep {options.command}: {done.message}"] if done.message else []
    if done.pages > 1:
        lines.append(f"fastsep {options.command}: {job.name}: only the first of its {done.pages} pages is read")
    for line in lines:
        if bar is None:
            console.warn(line)
        else:
            bar.write(console.printable(line), file=sys.stderr)
    if bar is not None:
        bar.update()
    logging.getLogger("fastsep").debug("%s: %s in %.2f s", console.printable(job.name), done.status, done.seconds)
    if options.json:
        row = {
            "image": paths.STREAM if job.image is None else str(job.image),
            "output": str(job.output),
            "status": done.status,
            "pages": done.pages,
            "seconds": round(done.seconds, 4),
            "message": done.message,
        }
        console.say(json.dumps(row))  # in ASCII: every other character as an escape
        console.flush()


def _summarize(written: Sequence[str], counts: dict[str, int], jobs: Sequence[Job], output: str) -> None:
    if len(jobs) == 1:
        if written or counts[EXISTED]:  # what failed is said already
            console.say(f"wrote {written[0]}" if written else f"{jobs[0].output} existed")
        return
    where = written[0] if len(written) == 1 else f"{len(written)} pictures to {output}"
    existed = f"; {counts[EXISTED]} existed" * (counts[EXISTED] > 0)
    console.say(f"wrote {where}{existed}" + f"; {counts[FAILED]} left out" * (counts[FAILED] > 0))


def _bar(options: argparse.Namespace, jobs: Sequence[Job]) -> Any:
    """A progress bar, where somebody sees it and there is something to wait for; otherwise None."""
    if not _is_watched(options) or len(jobs) < 2:
        return contextlib.nullcontext()
    return extra("tqdm", "tqdm").tqdm(total=len(jobs), unit="picture", file=sys.stderr)


def _is_watched(options: argparse.Namespace) -> bool:
    """Whether somebody sees a progress bar and wants it."""
    return not (options.quiet or options.verbose or sys.stderr is None) and sys.stderr.isatty()

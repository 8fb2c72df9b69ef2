"""PNG files without what is written beside the picture: text, times and measures, which may be broken or huge."""

from __future__ import annotations

import io
import struct
import zlib
from typing import IO, NamedTuple

SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Chunks to keep besides those that no decoder can do without, whose names begin with a capital letter:
# transparency, orientation, and the frames of an animation.
KEPT = (b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT")

LARGEST_PROFILE = 2**26  # bytes: more is a trap that expands


class Essence(NamedTuple):
    file: io.BytesIO
    profile: bytes | None  # of the colours (ICC)


def essence(stream: IO[bytes]) -> Essence | None:
    """The picture in a PNG file as a file of its own; None if it is no PNG file, or nothing is to be left out."""
    stream.seek(0)
    if stream.read(len(SIGNATURE)) != SIGNATURE:
        return None
    file, profile, left_out = io.BytesIO(), None, 0
    file.write(SIGNATURE)
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        body = stream.read(length + 4)  # and a checksum
        if kind[:1].isupper() or kind in KEPT:
            file.write(head + body)
            continue
        left_out += 1
        if kind == b"iCCP":
            profile = _profile(body[:-4])
    file.seek(0)
    return Essence(file, profile) if left_out else None


def _profile(chunk: bytes) -> bytes | None:
    """Inflated: it comes after a name, a zero and the number of the method."""
    _, _, packed = chunk.partition(b"\0")
    unpack = zlib.decompressobj()
    try:
        profile = unpack.decompress(packed[1:], LARGEST_PROFILE)
    except zlib.error:
        return None
    return profile if unpack.eof else None

"""What a coloured PNG holds besides its pixels, where libvips garbles or loses it."""

from __future__ import annotations

from pathlib import Path

from .exif import completed_exif
from .metadata import exif_of, output_xmp
from .png_chunks import TEXTS, Chunk, kept_chunks, keyword_of, rewrite, xmp_chunk
from .reading import Photo
from .resolution import exif_without_resolution, states_resolution


def complete_png(photo: Photo, source: Path, target: Path) -> None:
    """Copy a PNG that libvips has written, with XMP, texts and time, and no resolution that was never stated.

    Raises OSError.
    """
    stated = states_resolution(photo)
    directory, order = exif_of(photo)

    def change(chunk: Chunk) -> Chunk | None:
        kind, data = chunk
        if kind == b"pHYs" and not stated:
            return next((own for own in photo.png_chunks if own[0] == kind), None)
        if kind == b"eXIf":
            data = completed_exif(data, directory, order)
            return kind, data if stated else exif_without_resolution(data)
        return chunk

    added = [xmp_chunk(output_xmp(photo, "png")), *kept_chunks(photo.png_chunks)]
    rewrite(source, target, change, added)


def text_loss(photo: Photo, format: str) -> str | None:
    """Which of a PNG's texts a file of `format` will not hold, for a person to read."""
    kept = [] if format == "png" else kept_chunks(photo.png_chunks)
    names = dict.fromkeys(keyword_of(data).decode("latin-1") for kind, data in kept if kind in TEXTS)
    return f"{format} holds no PNG texts: left out were {', '.join(names)}" if names else None

"""Pictures that people send: read as what they are, whatever they are called, and kept without what a camera wrote."""

from __future__ import annotations

import asyncio
import io

from PIL import Image, ImageOps, UnidentifiedImageError

MOST_PIXELS = 40_000_000
QUALITY = 88
TYPES = {"JPEG": "image/jpeg", "PNG": "image/png"}


class NotAPicture(ValueError):
    """This is no JPEG or PNG picture, or one that is damaged or too large."""


async def cleaned(data: bytes) -> tuple[bytes, str]:
    """The picture anew, without place, camera and comments, and its media type. Raises NotAPicture.

    Its content decides which it is. A thread does the work, which takes some tens of milliseconds: hold no connection.
    """
    return await asyncio.to_thread(_cleaned, data)


def _cleaned(data: bytes) -> tuple[bytes, str]:
    try:
        with Image.open(io.BytesIO(data), formats=list(TYPES)) as picture:
            kind = picture.format
            if kind is None or picture.width * picture.height > MOST_PIXELS:
                raise NotAPicture
            # Turned as the camera said, which is not kept.
            upright = ImageOps.exif_transpose(picture)
            bare = upright.convert("RGB") if kind == "JPEG" else upright.convert("RGBA")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise NotAPicture from error
    out = io.BytesIO()
    # A new picture of the same dots: what else was in the file stays behind.
    plain = Image.frombytes(bare.mode, bare.size, bare.tobytes())
    plain.save(out, kind, **({"quality": QUALITY} if kind == "JPEG" else {}))
    return out.getvalue(), TYPES[kind]

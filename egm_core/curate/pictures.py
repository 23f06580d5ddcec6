"""The pictures of a question: the plain one, and a copy with a frame; named by what they are made from.

A reference is a picture's own, or an object with `picture`, `frame`, `colour` and `size`, in whose pixels the frame is.
`read` is the `ReadPicture` of whoever asks, so pictures are drawn when their turn comes, and stored nowhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egm_core.asking.job import Job, Message, picture_part, text_part
from egm_core.boxes import Box
from egm_core.curate.colours import kin
from egm_core.curate.prompts.prompt import Prompt
from egm_core.data.phrases import plain, words
from egm_core.engines.base import Sampling
from egm_core.pictures import source
from egm_core.pictures.draw import Color, draw

# In the order in which they are taken: such as are rare in pictures first.
COLOURS: dict[str, Color] = {
    "magenta": (255, 0, 220),
    "cyan": (0, 235, 255),
    "green": (40, 230, 60),
    "yellow": (255, 235, 0),
    "red": (235, 20, 20),
    "blue": (30, 60, 255),
    "orange": (255, 140, 0),
}


def frame_colour(said: Iterable[str], apart_from: Iterable[str] = ()) -> str:
    """Choose the colour of a frame: one that no expression or name of the picture has, nor one that is left out.

    Where all are spoken of, it is the first that the first of the texts, the expression, does not have.
    """
    texts = [set(words(plain(text))) for text in said]
    left = [colour for colour in COLOURS if colour not in set(apart_from)]
    for spoken in (set().union(*texts), *texts[:1]):
        for colour in left:
            if not any(set(name.split()) <= spoken for name in kin(colour)):
                return colour
    return left[0]


def framed(picture: str, box: Box, colour: str, size: tuple[int, int]) -> dict[str, Any]:
    """Name a copy of a picture with a frame in a colour; the box is in the pixels of a picture of this size."""
    return {"picture": picture, "frame": list(box), "colour": colour, "size": list(size)}


def unlike(picture: str, size: tuple[int, int], said: tuple[int, int]) -> str:
    """Say that a picture has not the size that its sample says, so that no box of it fits; empty where it has."""
    if size == said:
        return ""
    return (
        f"{picture} has {size[0]} x {size[1]} pixels, and its sample says {said[0]} x {said[1]}: it is another "
        "picture, or a resized one; give the one that the boxes were made on"
    )


def read(reference: Any) -> NDArray[np.uint8]:
    """Read the picture of a reference, and draw its frame where it has one; ValueError where that cannot fit."""
    if isinstance(reference, str):
        return source.read(reference)
    shown = source.read(reference["picture"])
    width, height = reference["size"]
    if wrong := unlike(reference["picture"], (shown.shape[1], shown.shape[0]), (width, height)):
        raise ValueError(wrong)
    x0, y0, x1, y1 = reference["frame"]
    colour = COLOURS[reference["colour"]]
    return draw(shown, (x0, y0, x1, y1), colors=(colour, colour))


def asked(prompt: Prompt, text: str, references: Iterable[Any], sampling: Sampling, model: str) -> Job:
    """Make a job of a prompt's filled-in text and its pictures, in this order: pictures first.

    The key changes with the model, the sampling, the prompt's version and words, and the pictures' content. A picture
    that cannot be read is known by its name, so that its question fails when it is asked, and alone.
    """
    shown = list(references)
    told = {
        "model": model,
        "sampling": asdict(sampling),
        "prompt": prompt.label,
        "text": text,
        "pictures": [_told(reference) for reference in shown],
    }
    key = blake2b(json.dumps(told, sort_keys=True).encode(), digest_size=16).hexdigest()
    content: list[Message] = [*map(picture_part, shown), text_part(text)]
    return Job(key, ({"role": "user", "content": content},), sampling=sampling, schema=prompt.schema)


def _told(reference: Any) -> Any:
    if isinstance(reference, str):
        return digest(reference)
    # A picture's content has its size, too.
    told = {name: part for name, part in reference.items() if name != "size"}
    return {**told, "picture": digest(reference["picture"])}


def digest(picture: str) -> str:
    """Give a digest of a picture's bytes, so that one file under two names is one picture; else say that it is not."""
    try:
        return _digest(picture)
    except (OSError, ValueError):
        return f"not there: {picture}"


@lru_cache(1024)
def _digest(picture: str) -> str:
    return blake2b(source.as_file(picture), digest_size=16).hexdigest()

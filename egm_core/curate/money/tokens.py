"""How many tokens a question has: what is likely, for an estimate, and what it is at worst, for a bound.

Texts: a token of all these models is a byte at least, so bytes bound them; four letters a token are usual. Pictures: by
their vendor's rule where it is known, else by the largest of all rules.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from egm_core.asking.job import Job
from egm_core.curate.pictures import unlike
from egm_core.pictures import source
from egm_core.pictures.file import jpeg_size

LETTERS = 4
# No text of a prompt has more letters a token on the average; a count below it says nothing.
MOST_LETTERS = 16
# What a server's chat template may add to a message, and to a form for the answer.
AROUND = 64
PNG = b"\x89PNG\r\n\x1a\n"
# How EXIF begins in a JPEG and in a PNG, which have it near their start.
EXIF, HEAD = (b"Exif\0\0", b"eXIf"), 1 << 16
Rule = Callable[[int, int], float]


@dataclass(frozen=True)
class Tokens:
    """Tokens of one question and its answer: the likely ones, the most, and the least of its texts."""

    likely_in: float
    most_in: float
    most_out: float
    pictures: float = 0.0
    least_in: float = 0.0


def tiles(width: int, height: int, base: int, each: int) -> float:
    """Count as OpenAI does for GPT-4.1 and GPT-5: tiles of 512 pixels after two steps of making smaller."""
    scale = min(1.0, 2048 / max(width, height))
    width, height = round(width * scale), round(height * scale)
    scale = min(1.0, 768 / min(width, height))
    return base + each * math.ceil(width * scale / 512) * math.ceil(height * scale / 512)


def patches(width: int, height: int, side: int, most: int, factor: float = 1.0) -> float:
    """Count patches of a side, of which there are so many at the most."""
    return factor * min(most, math.ceil(width / side) * math.ceil(height / side))


def gemini(width: int, height: int) -> float:
    """Count as Google does for Gemini 2: one tile for a small picture, else tiles of 768 pixels."""
    if max(width, height) <= 384:
        return 258
    return 258 * math.ceil(width / 768) * math.ceil(height / 768)


# By the model's name; the first pattern that is found in it counts.
RULES: tuple[tuple[str, Rule], ...] = (
    (r"gpt-(4\.1|5)-(mini|nano)", lambda w, h: patches(w, h, 32, 1536, 2.46)),
    (r"gpt-5\.[2-9]", lambda w, h: patches(w, h, 32, 2500, 1.62)),
    (r"gpt-5", lambda w, h: tiles(w, h, 70, 140)),
    (r"gpt-4", lambda w, h: tiles(w, h, 85, 170)),
    (r"claude-(sonnet|opus)-[5-9]", lambda w, h: patches(w, h, 28, 4784)),
    (r"claude", lambda w, h: patches(w, h, 28, 1568)),
    (r"gemini-2", gemini),
    (r"gemini", lambda w, h: 1120),
    (r"qwen3", lambda w, h: patches(w, h, 32, 16384)),
    (r"qwen", lambda w, h: patches(w, h, 28, 16384)),
    (r"internvl", lambda w, h: 256 * 13),
)  # fmt: skip


def picture_tokens(model: str, width: int, height: int) -> tuple[float, bool]:
    """Give a picture's tokens, and whether the vendor's rule is known."""
    name = model.lower()
    for pattern, rule in RULES:
        if re.search(pattern, name):
            return rule(width, height), True
    return max(rule(width, height) for _, rule in RULES), False


def tokens_of(job: Job, model: str) -> Tokens:
    """Count a job's tokens; raises OSError or ValueError where a picture of it cannot be read."""
    likely = most = pictures = least = 0.0
    for message in job.messages:
        most += AROUND
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if part["type"] == "picture":
                tokens, known = picture_tokens(model, *size_of(part["picture"]))
                pictures += tokens
                most += tokens * (1.1 if known else 1.5)
            else:
                text = str(part.get("text", part))
                likely += len(text) / LETTERS
                least += len(text) / MOST_LETTERS
                most += len(text.encode("utf-8", "replace"))
    if job.schema is not None:
        form = json.dumps(job.schema)
        likely += len(form) / LETTERS
        most += len(form.encode()) + AROUND
    return Tokens(likely + pictures, most, job.sampling.max_tokens, pictures, least)


def size_of(reference: Any) -> tuple[int, int]:
    """Give the width and height of a picture by its reference; a copy with a frame is as large as the plain one."""
    if isinstance(reference, str):
        return _size(reference)
    if "sent" in reference:
        width, height = reference["sent"]
        return int(width), int(height)
    picture, (width, height) = str(reference["picture"]), reference["size"]
    size = _size(picture)
    if wrong := unlike(picture, size, (width, height)):
        raise ValueError(wrong)
    return size


@lru_cache(65536)
def _size(picture: str) -> tuple[int, int]:
    data = source.as_file(picture)
    # A camera's mark may turn the picture, and readers follow it.
    plain = not any(mark in data[:HEAD] for mark in EXIF)
    if plain and (size := jpeg_size(data)) is not None:
        return size
    if plain and data.startswith(PNG) and len(data) >= 24:
        width, height = struct.unpack(">II", data[16:24])
        return int(width), int(height)
    shape = source.read(picture).shape
    return int(shape[1]), int(shape[0])

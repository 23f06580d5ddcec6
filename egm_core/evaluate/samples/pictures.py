"""The pictures of questions, the same pixels for every engine: decoded, shrunk to one budget, and hashed.

Vendors that want another size get it made from those pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from egm_core.evaluate.posing import as_sent
from egm_core.families.base import Speaker
from egm_core.models.folder import ModelInfo
from egm_core.pictures.source import read


@dataclass(frozen=True)
class Seen:
    """What was found of a picture: its size, that at which it is sent, the hash of its pixels, or what is wrong."""

    size: tuple[int, int] = (0, 0)
    sent: tuple[int, int] = (0, 0)
    digest: str = ""
    wrong: str = ""

    def unlike(self, width: int, height: int) -> str:
        """Say what is wrong with the picture of a sample of that size; empty where nothing is."""
        if self.wrong or self.size == (width, height):
            return self.wrong
        return (
            f"it has {self.size[0]} x {self.size[1]} pixels, and its sample says {width} x {height}: it is another "
            "picture, or a resized one"
        )


@dataclass(frozen=True)
class Pictures:
    """Pictures by their reference, shrunk to a model's budget or to `max_pixels`, in the size that its vendor wants."""

    info: ModelInfo
    speaker: Speaker
    max_pixels: int | None = None

    def __call__(self, reference: str) -> NDArray[np.uint8]:
        """Read a picture as it is sent; FileNotFoundError or ValueError says what is wrong."""
        return as_sent(self.speaker, self.info.fit(_read(reference), self.max_pixels))

    def look(self, references: Iterable[str]) -> dict[str, Seen]:
        """Look at every picture once."""
        wanted = list(dict.fromkeys(references))
        bar = tqdm(wanted, unit=" images", desc="looking at images", disable=None)
        return {reference: self._seen(reference) for reference in bar}

    def _seen(self, reference: str) -> Seen:
        try:
            whole = _read(reference)
            shrunk = self.info.fit(whole, self.max_pixels)
        except (OSError, ValueError) as error:
            return Seen(wrong=str(error))
        digest = blake2b(np.ascontiguousarray(shrunk).data, digest_size=12)
        digest.update(f"{shrunk.shape}".encode())
        sent = self.speaker.size(shrunk.shape[1], shrunk.shape[0])
        return Seen((whole.shape[1], whole.shape[0]), sent, digest.hexdigest())


@lru_cache(maxsize=16)
def _read(reference: str) -> NDArray[np.uint8]:
    return read(reference)

"""What a model was trained on, so that it can say when it is asked about something else.

A small model answers anything; outside its worlds the answer means little. Its folder may hold `domain.json`:
the words that it knows and the statistics of its training pictures. Grounder and node turn the difference
into warnings; big general models have no such file and give none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 64
SCALES = (1, 2, 4)
QUANTILE = 0.95
FEWEST = 100
UNLIKE = "image_unlike_training"
UNKNOWN = "unknown_words"


@dataclass(frozen=True)
class Domain:
    """The words and the picture statistics of a model's training data.

    The pictures come in groups (worlds), each with the `mean` (G, F) and the `precision` (G, F, F) of its
    pictures' `features`; `limit` is the squared Mahalanobis distance from the nearest group beyond which a
    picture counts as unlike them. One in twenty training pictures lies beyond it.
    """

    words: frozenset[str]
    mean: NDArray[np.float64]
    precision: NDArray[np.float64]
    limit: float

    @classmethod
    def fit(cls, words: Iterable[str], groups: Iterable[Iterable[NDArray[np.uint8]]]) -> Domain:
        """Describe a training set by its words and at least a hundred pictures (H, W, 3 RGB) of each group."""
        tables = [np.stack([features(p) for p in group]) for group in groups]
        if min(len(table) for table in tables) < FEWEST:
            raise ValueError(f"a group of fewer than {FEWEST} pictures doesn't describe a training set; give more")
        mean = np.stack([table.mean(0) for table in tables])
        spread = np.stack([np.cov(table.T) for table in tables])
        precision = np.asarray(np.linalg.inv(spread + 1e-4 * np.eye(spread.shape[-1])), np.float64)
        whole = cls(frozenset(words), mean, precision, 1.0)
        distances = [whole.squared_distance(row) for table in tables for row in table]
        return replace(whole, limit=float(np.quantile(distances, QUANTILE)))

    @classmethod
    def load(cls, path: Path) -> Domain:
        """Read a `domain.json`; ValueError names the file where it's not one."""
        try:
            data = json.loads(path.read_text())
            return cls(
                frozenset(data["words"]), np.array(data["mean"]), np.array(data["precision"]), float(data["limit"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} is not a domain file ({error}); write it anew with Domain.save") from error

    def save(self, path: Path) -> None:
        """Write the file that `load` reads."""
        data = {
            "words": sorted(self.words),
            "mean": self.mean.round(6).tolist(),
            "precision": self.precision.round(6).tolist(),
            "limit": round(self.limit, 3),
        }
        path.write_text(json.dumps(data) + "\n")

    def squared_distance(self, row: NDArray[np.float64]) -> float:
        """Give the squared Mahalanobis distance of a picture's features from the nearest group."""
        offset = row - self.mean
        return float(np.einsum("gi,gij,gj->g", offset, self.precision, offset).min())

    def distance(self, picture: NDArray[np.uint8]) -> float:
        """Give a picture's squared distance from the training pictures, as a multiple of the limit."""
        return self.squared_distance(features(picture)) / self.limit

    def unknown_words(self, instruction: str) -> tuple[str, ...]:
        """List the words of an instruction that the model never saw, in order, each once."""
        words = re.findall(r"[^\W\d_]+", instruction.lower())
        return tuple(dict.fromkeys(w for w in words if w not in self.words))

    def warnings(self, picture: NDArray[np.uint8], instruction: str) -> tuple[str, ...]:
        """Say what about a picture (H, W, 3 RGB) and an instruction is foreign to the model; often nothing."""
        found = []
        words = self.unknown_words(instruction)
        if words:
            found.append(f"{UNKNOWN}: {', '.join(words)}")
        if self.distance(picture) > 1:
            found.append(UNLIKE)
        return tuple(found)


def features(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Describe a picture by its light, its colour, and how rough it is at three scales; from 64 x 64 pixels."""
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB) / np.float32(100)
    vivid = small.max(2) - small.min(2)
    values = [lab[..., 0].mean(), lab[..., 0].std(), vivid.mean(), vivid.std()]
    for channel in range(3):
        levels = (0.25, 0.5, 0.75, 0.95) if channel == 0 else (0.5, 0.9)
        for scale in SCALES:
            view = cv2.resize(lab[..., channel], (SIDE // scale, SIDE // scale), interpolation=cv2.INTER_AREA)
            rough = np.abs(view - cv2.GaussianBlur(view, (0, 0), 1.0))
            values += list(np.log(np.quantile(rough, levels) + 3e-4))
    return np.array(values, np.float64)

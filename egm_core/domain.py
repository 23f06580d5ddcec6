"""What a model was trained on, so that it can say when it is asked about something else.

A small model answers anything; outside its worlds the answer means little. Its folder may hold `domain.json`:
the words that it knows and the statistics of its training pictures. Grounder and node turn the difference
into warnings; big general models have no such file and give none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 64
QUANTILE = 0.999
UNLIKE = "image_unlike_training"
UNKNOWN = "unknown_words"


@dataclass(frozen=True)
class Domain:
    """The words and the picture statistics of a model's training data.

    `mean` (F,) and `precision` (F, F) describe `features` of the training pictures; `limit` is the squared
    Mahalanobis distance beyond which a picture counts as unlike them.
    """

    words: frozenset[str]
    mean: NDArray[np.float64]
    precision: NDArray[np.float64]
    limit: float

    @classmethod
    def fit(cls, words: Iterable[str], pictures: Iterable[NDArray[np.uint8]]) -> Domain:
        """Describe a training set by its words and at least a hundred of its pictures (H, W, 3 RGB)."""
        table = np.stack([features(p) for p in pictures])
        if len(table) < 100:
            raise ValueError(f"{len(table)} pictures are too few to describe a training set; give 100 or more")
        mean = table.mean(0)
        precision = np.asarray(np.linalg.inv(np.cov(table.T) + 1e-4 * np.eye(table.shape[1])), np.float64)
        distances = np.einsum("ni,ij,nj->n", table - mean, precision, table - mean)
        return cls(frozenset(words), mean, precision, float(np.quantile(distances, QUANTILE) * 1.25))

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

    def distance(self, picture: NDArray[np.uint8]) -> float:
        """Give a picture's squared distance from the training pictures, as a multiple of the limit."""
        offset = features(picture) - self.mean
        return float(offset @ self.precision @ offset) / self.limit

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
    """Describe a picture by its light, colour and texture at 64 x 64; independent of its resolution."""
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    tall = small.astype(np.float32) / 255
    grey = tall.mean(2)
    spread = tall.max(2) - tall.min(2)
    values = [grey.mean(), grey.std(), spread.mean(), spread.std()]
    for scale in (1, 2, 4):
        view = cv2.resize(grey, (SIDE // scale, SIDE // scale), interpolation=cv2.INTER_AREA)
        dx, dy = np.abs(np.diff(view, axis=1)), np.abs(np.diff(view, axis=0))
        edges = np.concatenate([dx.ravel(), dy.ravel()])
        values += [np.log(edges.mean() + 1e-4), np.log(np.median(edges) + 1e-4), np.log(edges.max() + 1e-2)]
    ripple = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    values += [np.log(ripple.mean() + 1e-4), np.log(np.median(ripple) + 1e-4)]
    return np.array(values, np.float64)

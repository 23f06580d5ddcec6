"""An engine of one's own: anything that turns a picture and a prompt into text can answer.

    python examples/own_engine.py PICTURE "the red mug"

This one knows colours only: it boxes the largest patch of the colour that the prompt names. It needs no PyTorch. The
grounder gives it prompts in the words of a model family, and reads its answers in that family's format.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core.boxes import Box
from egm_core.engines import Chunk, Engine, Health, Request
from egm_core.families import family
from egm_core.grounder.grounder import Grounder
from egm_core.models.folder import ModelInfo
from egm_core.pictures.pixels import read_image

FAMILY = "qwen3_vl"
# Hues of OpenCV's scale, 0 to 180; red lies at both its ends.
HUES = {"red": ((0, 8), (172, 180)), "yellow": ((22, 34),), "green": ((40, 80),), "blue": ((95, 130),)}


class ColourEngine(Engine):
    """Answers with the box of the largest patch of the colour that is asked for."""

    def __init__(self) -> None:
        self._closed = False
        self._aborted: set[str] = set()

    def generate(self, request: Request) -> Iterator[Chunk]:
        """Answer in one piece; a model would give one for each token, and look at `_aborted` between them."""
        colour = next((name for name in HUES if name in request.prompt.lower().split()), None)
        patch = largest(request.image, colour) if colour else None
        speaker = family(FAMILY)
        box = None
        if patch is not None:
            height, width = request.image.shape[:2]
            across, down = speaker.frame / width, speaker.frame / height
            box = (patch[0] * across, patch[1] * down, patch[2] * across, patch[3] * down)
        text = speaker.target(f"the {colour} thing", box, "I look for the colour only.", "visible")
        finish = "abort" if request.id in self._aborted else "stop"
        self._aborted.discard(request.id)
        yield Chunk(text, finish=finish)

    def abort(self, request_id: str) -> None:
        """Note who need not be answered any more."""
        self._aborted.add(request_id)

    def health(self) -> Health:
        """Be ready until closed."""
        return Health("closed") if self._closed else Health("ready", model="colours")

    def close(self) -> None:
        """End."""
        self._closed = True

    def kind(self) -> str:
        """Name this program, so that no other's calibration is taken for its scores."""
        return "colours"


def largest(image: NDArray[np.uint8], colour: str) -> Box | None:
    """Give the box of the largest patch of a colour, in pixels; None where there is none."""
    hue, saturation, value = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV))
    strong = (saturation > 90) & (value > 60)
    here = np.logical_or.reduce([(hue >= low) & (hue <= high) for low, high in HUES[colour]]) & strong
    count, _, patches, _ = cv2.connectedComponentsWithStats(here.astype(np.uint8))
    if count < 2:
        return None
    left, top, width, height, _ = max(patches[1:].tolist(), key=lambda patch: patch[4])
    return float(left), float(top), float(left + width), float(top + height)


def main() -> int:
    """Ground once with it."""
    if len(sys.argv) < 3:
        sys.exit('usage: python examples/own_engine.py PICTURE "the red mug"')
    with ColourEngine() as engine:
        grounder = Grounder(engine, ModelInfo("colours", FAMILY), tasks=("visible",))
        answer = grounder.ground(read_image(Path(sys.argv[1])), " ".join(sys.argv[2:]))
        grounder.close()
    print(answer.outcome, answer.visible, answer.reason)
    return int(answer.outcome == "error")


if __name__ == "__main__":
    sys.exit(main())

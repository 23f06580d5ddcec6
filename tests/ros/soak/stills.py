"""Three cameras that each show one picture of a clip, five lines for each, and what the embedded model answers.

The pictures stand still, and the model finds each line elsewhere in them: so a box that comes under a wrong line is
known by its place as well as by its time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np
from running import Process

from egm_core.engines.local import TransformersEngine
from egm_core.grounder.grounder import Grounder, Grounding
from egm_core.models.folder import EMBEDDED, load_info, resolve
from egm_ros.camera.sources import CLIPS

TABLETOP = ("the red mug", "the blue can", "the yellow bottle", "the red can", "the yellow mug")
STREET = ("the white car", "the leftmost van", "the nearest car", "the rightmost van", "the green car")
PICTURES = {"front": ("tabletop", 0), "left": ("tabletop", 20), "rear": ("street", 0)}
LINES = {"front": TABLETOP, "left": TABLETOP, "rear": STREET}
# A camera and a line that is asked about it.
Place = tuple[str, str]
CAMERA = Path(__file__).parents[1] / "fast_camera.py"


def file_of(camera: str) -> Path:
    """Name the picture of a camera."""
    world, number = PICTURES[camera]
    frames = json.loads((CLIPS / world / "clip.json").read_text())["frames"]
    return CLIPS / world / frames[number]["file"]


def references(asked: Iterable[Place]) -> dict[Place, Grounding]:
    """Ask the embedded model these lines about these cameras' pictures, by itself and without any node."""
    model = resolve(EMBEDDED)
    with TransformersEngine(model, device="cpu", dtype="float32", threads=1) as engine:
        engine.wait_ready()
        grounder = Grounder(engine, load_info(model))
        pictures = {name: np.ascontiguousarray(cv2.imread(str(file_of(name)))[:, :, ::-1]) for name in PICTURES}
        answers = {(camera, line): grounder.ground(pictures[camera], line) for camera, line in asked}
        grounder.close()
    return answers


@contextmanager
def cameras(domain: int, rate: float = 10.0) -> Iterator[None]:
    """Have the three cameras show their pictures, each in a process of its own."""
    with ExitStack() as stack:
        for name in PICTURES:
            words = ["--picture", str(file_of(name)), "--name", name, "--rate", str(rate)]
            camera = Process([sys.executable, str(CAMERA), *words], domain)
            stack.callback(camera.stop)
        yield

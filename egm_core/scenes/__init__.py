"""Seeded scenes of two worlds with exact truth: layout, rendering, motion, storage.

Importing this package opens no OpenGL context and needs neither MuJoCo nor a GPU; a `Generator` does.
"""

from egm_core.scenes.generator import VERSION, Generator
from egm_core.scenes.render import RenderError
from egm_core.scenes.truth import (
    CATEGORIES,
    COLORS,
    EVALUATION_FIRST_SEED,
    WORLDS,
    Camera,
    ObjectTruth,
    Scene,
    training_seed,
)

__all__ = [
    "CATEGORIES",
    "COLORS",
    "EVALUATION_FIRST_SEED",
    "VERSION",
    "WORLDS",
    "Camera",
    "Generator",
    "ObjectTruth",
    "RenderError",
    "Scene",
    "training_seed",
]

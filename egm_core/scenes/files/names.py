"""How the pictures of generated scenes are called as files, and which scene one of that name shows."""

from __future__ import annotations

import re

from egm_core.scenes.truth import WORLDS, World

# A picture that was written again, as from an archive, has a number at its end.
_NAME = re.compile(rf"(?:{'|'.join(WORLDS)})-(\d{{9}})(?:-\d{{6}})?\.png")


def picture_name(world: World, seed: int) -> str:
    """Give the name of a scene's picture."""
    return f"{world}-{seed:09d}.png"


def seed_of(name: str) -> int | None:
    """Give the seed of the scene that a picture of this name shows; None where the name is another's."""
    found = _NAME.fullmatch(name)
    return int(found[1]) if found else None

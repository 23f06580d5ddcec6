"""Pictures of one shade each, and the shades that a source gives."""

from __future__ import annotations

from egm_ros.camera import sources

SHADES = (40, 110, 180, 250)


def shades(source: sources.Source) -> list[int]:
    return [int(frame.image[30, 40, 0]) for frame in source.frames()]

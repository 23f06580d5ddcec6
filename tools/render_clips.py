"""Renders the clips that come with the package into egm_ros/clips.

For example:

    tools/env.sh python tools/render_clips.py
"""

from __future__ import annotations

from pathlib import Path

from egm_core.scenes import Generator
from egm_core.scenes.files.clips import instructions, write
from egm_core.scenes.truth import World

CLIPS = Path(__file__).resolve().parent.parent / "egm_ros" / "clips"
SEEDS: dict[World, int] = {"tabletop": 500_000_557, "street": 500_000_368}
FRAMES = 50
RATE = 10.0


def main() -> None:
    """Render every clip anew and say what it holds."""
    generator = Generator()
    for world, seed in SEEDS.items():
        scenes = list(generator.clip(seed, FRAMES, RATE, world=world))
        asked = instructions(scenes, 5)
        write(CLIPS / world, scenes, RATE, asked)
        size = sum(path.stat().st_size for path in (CLIPS / world).iterdir())
        print(f"{world}: {len(scenes)} frames, {size / 1e6:.2f} MB")
        for instruction in asked:
            print(f"  {instruction.kind}: {instruction.text}")


if __name__ == "__main__":
    main()

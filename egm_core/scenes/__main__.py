"""Renders scenes, looks at them, and exports them as training samples.

    python -m egm_core.scenes render --out DIR --first-seed 0 --scenes 1000 [--workers 2]
    python -m egm_core.scenes show --out sheet.png --first-seed 0 --scenes 12 [--world street]
    python -m egm_core.scenes export --out DIR --first-seed 0 --scenes 100 [--per-scene 6]

`render` writes parquet shards and goes on where it was stopped; `show` draws a contact sheet (visible boxes solid,
amodal boxes dashed); `export` writes pictures and the sample record that training reads.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from egm_core.scenes import store
from egm_core.scenes.render import RenderError
from egm_core.scenes.truth import WORLDS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m egm_core.scenes", description="Generate scenes with exact visible and amodal boxes."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--out", type=Path, required=True, help="folder (render, export) or picture (show) to write")
    shared.add_argument("--first-seed", type=int, default=0, help="seed of the first scene; from 500000000: evaluation")
    shared.add_argument("--scenes", type=int, default=12, help="number of scenes, one per seed")
    shared.add_argument("--world", choices=WORLDS, help="one world only (default: each seed's own)")
    render = commands.add_parser("render", parents=[shared], help="write shards of scenes")
    render.add_argument("--workers", type=int, default=1, help="processes")
    render.add_argument("--shard-scenes", type=int, default=store.SHARD_SCENES, help="scenes in a shard")
    render.add_argument("--format", choices=("jpeg", "png"), default="jpeg", help="how pictures are stored")
    render.add_argument("--depth", action="store_true", help="store depth too (16-bit millimetres)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        new = store.render(
            options.out,
            options.first_seed,
            options.scenes,
            options.workers,
            options.world,
            options.shard_scenes,
            options.format,
            options.depth,
        )
        print(f"{new} scenes rendered into {options.out}")
    except (RenderError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`egm scenes`: renders scenes, looks at them, and exports them as training samples.

`render` writes parquet shards and goes on where it was stopped; `show` draws a contact sheet (visible boxes solid,
amodal boxes dashed); `export` writes pictures and the sample record that training reads.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from egm_core import notes
from egm_core.arguments import CORES, COUNT, SCENES, SEED, Parser, changed, number, whole
from egm_core.console import attempt
from egm_core.scenes.files import store
from egm_core.scenes.truth import WORLDS

_log = logging.getLogger("egm.scenes")


def parser(prog: str = "egm scenes") -> Parser:
    """Make the parser of the command line."""
    parser = Parser(
        prog=prog,
        description="Generate scenes with exact visible and amodal boxes.",
        example="render --out runs/scenes --scenes 1000 --workers 2\nexport --out my_data --scenes 100",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    shared = Parser(add_help=False)
    shared.add_argument("--out", type=Path, required=True, help="folder (render, export) or image (show) to write")
    shared.add_argument("--first-seed", type=SEED, default=0, help="seed of the first scene; 500000000: evaluation")
    shared.add_argument("--scenes", type=SCENES, default=12, help="number of scenes, one per seed")
    shared.add_argument("--world", choices=WORLDS, help="one world only (default: each seed's own)")
    render = commands.add_parser(
        "render", parents=[shared], help="write shards of scenes", example="--out runs/scenes --scenes 1000 --workers 2"
    )
    render.add_argument("--workers", type=CORES, default=1, help="processes")
    render.add_argument("--shard-scenes", type=whole(1, 99_999), default=store.SHARD_SCENES, help="scenes in a shard")
    render.add_argument("--format", choices=("jpeg", "png"), default="jpeg", help="how images are stored")
    render.add_argument("--depth", action="store_true", help="store depth too (16-bit millimetres)")
    show = commands.add_parser(
        "show", parents=[shared], help="draw a contact sheet", example="--out sheet.png --scenes 12 --world street"
    )
    show.add_argument("--columns", type=COUNT, default=4, help="scenes side by side")
    show.add_argument("--zoom", type=number(above=0, high=100), default=2.0, help="enlargement")
    show.add_argument("--plain", action="store_true", help="no boxes")
    show.add_argument("--clip", action="store_true", help="frames of the first seed's clip instead of scenes")
    show.add_argument("--fps", type=number(above=0, high=1000), default=4.0, help="frames a second of that clip")
    export = commands.add_parser(
        "export",
        parents=[shared],
        help="write images and the training record",
        example="--out my_data --scenes 100 --per-scene 6 --vary",
    )
    export.add_argument("--per-scene", type=COUNT, default=6, help="samples of a scene")
    export.add_argument(
        "--amodal-share", type=number(0, 1), default=1.0, help="share of objects in full view asked for by both tasks"
    )
    export.add_argument("--direct-share", type=number(0, 1), default=0.0, help="share of the samples without reasoning")
    export.add_argument(
        "--absent-share",
        type=number(0, 1),
        help="share of the expressions that fit nothing (default: as in the mix that models are scored on)",
    )
    export.add_argument(
        "--stored",
        type=Path,
        help="folder of rendered shards to take those of the seeds from (default: render the scenes now)",
    )
    export.add_argument("--workers", type=CORES, default=1, help="processes, with --stored")
    export.add_argument("--vary", action="store_true", help="mirror, light, blur and noise at random, for training")
    export.add_argument("--file", default="samples.jsonl", help="name of the record, .jsonl or .parquet")
    for command in (render, show, export):
        notes.add_options(command)
    return parser


def _render(options: argparse.Namespace) -> None:
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
    if new < options.scenes:
        _log.info(
            "%d scenes of these seeds are there already, of the world and format that they were rendered with; "
            "another --out renders them anew",
            options.scenes - new,
        )


def _show(options: argparse.Namespace) -> None:
    import cv2
    from tqdm import tqdm

    from egm_core.pictures.draw import check_writable
    from egm_core.scenes.files.sheet import sheet
    from egm_core.scenes.generator import Generator

    check_writable(options.out)
    generator = Generator()
    try:
        if options.clip:
            shown = generator.clip(options.first_seed, options.scenes, options.fps, options.world)
        else:
            seeds = range(options.first_seed, options.first_seed + options.scenes)
            shown = (generator.scene(seed, options.world) for seed in seeds)
        scenes = list(tqdm(shown, total=options.scenes, unit="scene", desc="rendering", disable=None))
    finally:
        generator.close()
    picture = sheet(scenes, options.columns, options.zoom, not options.plain)
    if not cv2.imwrite(str(options.out), picture[..., ::-1]):
        raise OSError(f"cannot write {options.out}; may its folder be written to, and is there room?")
    print(f"{len(scenes)} scenes drawn into {options.out}")


def _export(options: argparse.Namespace) -> None:
    from egm_core.scenes.files.export import Taste, export, export_stored, rendered

    taste = Taste(options.per_scene, options.amodal_share, options.direct_share, options.absent_share)
    first, number, how = options.first_seed, options.scenes, (taste, options.vary, options.file)
    if options.stored:
        count = export_stored(options.out, options.stored, first, number, *how, options.workers)
    else:
        count = export(options.out, rendered(first, number, options.world), *how, number)
    print(f"{count} samples written to {options.out / options.file}")


def _refuse_idle(own: Parser, options: argparse.Namespace) -> None:
    """End the command where options would do nothing."""
    idle = changed(own, options, ("fps",)) if options.command == "show" and not options.clip else ""
    if idle:
        own.error(f"{idle} is about a clip: add --clip, or leave it away")
    idle = changed(own, options, ("world",)) if options.command == "export" and options.stored else ""
    if idle:
        own.error(f"{idle} does nothing here, for --stored scenes are of their own worlds; leave it away")
    idle = changed(own, options, ("workers",)) if options.command == "export" and not options.stored else ""
    if idle:
        own.error(f"{idle} does nothing here, for only --stored scenes are shared out; leave it away")


def main(arguments: list[str] | None = None, prog: str = "egm scenes") -> int:
    """Run the command line and return its exit status."""
    options = parser(prog).parse_args(arguments)
    notes.begin(options)
    command = {"render": _render, "show": _show, "export": _export}[options.command]
    _refuse_idle(options.own, options)
    return attempt(lambda: command(options))

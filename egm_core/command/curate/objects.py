"""What `amodal-train` and `amodal-benchmark` have in common: the options that choose objects."""

from __future__ import annotations

import argparse
from pathlib import Path

from egm_core.arguments import Parser, number, whole
from egm_core.curate.sets.filters import Filters
from egm_core.curate.sets.sources import Source, coco, tao
from egm_core.data.convert import MISSING_SHARE

PIXELS, SHARE, MOST = number(low=0, high=100_000), number(0, 1), whole(0, 1000)


def add_coco(own: Parser, what: str) -> None:
    """Add the options that name COCO-Amodal's files."""
    group = own.add_argument_group("COCO-Amodal")
    group.add_argument("--coco", type=Path, nargs="+", default=[], metavar="FILE", help=what)
    group.add_argument("--coco-images", type=Path, metavar="FOLDER", help="folder, .zip or .tar of its images")
    group.add_argument(
        "--coco-split", default="", metavar="NAME", help="the files' split (default: told by their names)"
    )


def add_tao(own: Parser) -> None:
    """Add the options that name TAO-Amodal's files."""
    group = own.add_argument_group("TAO-Amodal")
    group.add_argument("--tao", type=Path, nargs="+", default=[], metavar="FILE", help="train.json, or several")
    group.add_argument("--tao-images", type=Path, metavar="FOLDER", help="folder of its frames")
    group.add_argument(
        "--tao-split", default="", metavar="NAME", help="the files' split (default: told by their names)"
    )
    group.add_argument("--uncertain", action="store_true", help="also boxes that their annotator was not certain of")


def add_filters(own: Parser, frames: bool) -> None:
    """Add the filters; with `frames` those of videos, too."""
    group = own.add_argument_group("which objects (the paper does not tell its own choice)")
    ours = Filters()
    group.add_argument("--least-side", type=PIXELS, default=ours.least_side, help="shorter side of the visible box, px")
    group.add_argument("--least-share", type=SHARE, default=ours.least_share, help="visible box's share of the image")
    group.add_argument("--all-objects", action="store_true", help="also objects of which nothing is hidden")
    group.add_argument("--least-hidden", type=SHARE, default=ours.least_hidden, help="share that must be hidden")
    group.add_argument("--least-seen", type=SHARE, default=ours.least_seen, help="share that must be seen")
    group.add_argument("--stuff", action="store_true", help="also regions of stuff, such as sky and wall")
    group.add_argument("--per-image", type=MOST, default=ours.per_image, help="most objects of an image, 0 for all")
    group.add_argument(
        "--missing-share", type=SHARE, default=MISSING_SHARE, help="share of the images that may be missing"
    )
    if frames:
        group.add_argument("--per-frame", type=MOST, default=ours.per_frame, help="most objects of a frame, 0 for all")
        group.add_argument("--beyond-frame", action="store_true", help="also objects that only the frame's edge cuts")


def filters(options: argparse.Namespace) -> Filters:
    """Read the filters of a command line."""
    ours = Filters()
    return Filters(
        least_side=options.least_side,
        least_share=options.least_share,
        occluded_only=not options.all_objects,
        least_hidden=options.least_hidden,
        least_seen=options.least_seen,
        beyond_frame=getattr(options, "beyond_frame", ours.beyond_frame),
        stuff=options.stuff,
        certain=not getattr(options, "uncertain", False),
        per_image=options.per_image,
        per_frame=getattr(options, "per_frame", ours.per_frame),
    )


def sources(options: argparse.Namespace, training: bool) -> list[Source]:
    """Give the data sets that a command line names; it ends where there is none."""
    found = [coco(options.coco, options.coco_images, options.coco_split)] if options.coco else []
    if getattr(options, "tao", None):
        found.append(tao(options.tao, options.tao_images, options.tao_split))
    if not found:
        own: Parser = options.own
        own.error("there is nothing to make a set of: name files with --coco" + (" or --tao" if training else ""))
    for source in found:
        source.check(training)
    return found

"""`egm curate amodal-train`: the paper's amodal training set made anew, in steps."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.command.curate import judge, objects, second, teachers
from egm_core.curate.sets import excluded
from egm_core.curate.sets.amodal_train import OBJECTS, PAPER, STEPS, chain, first, losses, table
from egm_core.curate.sets.filters import EVALUATED
from egm_core.curate.sets.steps import Chain
from egm_core.curate.teacher import arguments

_log = logging.getLogger("egm.curate")


def add(commands: Any) -> None:
    """Add the command."""
    own: Parser = commands.add_parser(
        "amodal-train",
        help="make an amodal training set of COCO-Amodal and TAO-Amodal",
        description="Make an amodal training set: objects of COCO-Amodal's training images and of TAO-Amodal's\n"
        "frames, expressions by a teacher, their verification, and amodal reasoning, which a judge reads, too. Each\n"
        "step writes a file into the folder; what has not changed is kept, so a command that was cut off goes on\n"
        "where it was. Counts stand beside the paper's, whose choice of objects is not told.",
        example="--coco COCO_amodal_train2014.json --coco-images coco/train2014 --tao tao/train.json "
        "--tao-images tao/frames --exclude refs.p --teacher-url http://localhost:8000 --out sets/amodal_train\n"
        "--coco COCO_amodal_train2014.json --coco-images coco/train2014 --step objects --out sets/amodal_train",
    )
    objects.add_coco(own, "COCO_amodal_train2014.json, or several")
    objects.add_tao(own)
    own.add_argument(
        "--exclude", type=Path, nargs="+", default=[], metavar="FILE",
        help="keep out the images of evaluation splits in these: refs(...).p of REFER, sample files, COCO's .json",
    )  # fmt: skip
    objects.add_filters(own, frames=True)
    own.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="folder of the set and of its steps")
    own.add_argument("--step", choices=STEPS, default="", help="run this step alone (default: all that has changed)")
    second.add(own)
    judge.add(own)
    arguments.add(own)
    notes.add_options(own)
    own.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    found = objects.sources(options, training=True)
    kept_out = excluded.read(options.exclude)
    for line in kept_out.words():
        print(line)
    if not options.exclude and options.coco:
        _log.warning(
            "COCO-Amodal's training images are COCO's train2014, as are those of RefCOCO's val and test: name the "
            "evaluation files with --exclude to keep their images out"
        )
    began = first(found, objects.filters(options), kept_out, options.missing_share)
    if options.dry_run:
        Chain(options.out, [began]).run()
        print(teachers.expected(options, options.out / began.file, reasoned=True))
        return 0
    desk = teachers.desk(options)
    made = chain(options.out, began, teachers.workers(options, options.step != began.name, desk))
    whole = teachers.run(made, options, desk)
    print("\n".join(["", table(made.record, PAPER), "", *losses(made)]))
    if options.exclude and not _met(made.record):
        _log.warning(
            "no object is on an image that --exclude names: images are compared by COCO's id, others by data set and "
            "id; are these the right files?"
        )
    return teachers.status(made, whole)


def _met(record: Mapping[str, Any]) -> bool:
    """Tell whether any object was left out for its image is in an evaluation split."""
    left_out = record.get(OBJECTS, {}).get("left_out", {})
    return any(EVALUATED in reasons for reasons in left_out.values())

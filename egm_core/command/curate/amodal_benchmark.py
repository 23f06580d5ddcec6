"""`egm curate amodal-benchmark`: the paper's amodal benchmark made anew, and the check of one."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.command.curate import objects, second, teachers
from egm_core.curate.sets import manifest
from egm_core.curate.sets.amodal_benchmark import FILE, PAPER, STEPS, chain, pack
from egm_core.curate.sets.amodal_train import first, losses, table
from egm_core.curate.sets.excluded import Excluded
from egm_core.curate.sets.steps import Chain
from egm_core.curate.teacher import arguments

VERSION = "1.0"


def add(commands: Any) -> None:
    """Add the command."""
    own: Parser = commands.add_parser(
        "amodal-benchmark",
        help="make an amodal benchmark of COCO-Amodal's val and test, or check one",
        description="Make an amodal benchmark: objects of COCO-Amodal's val and test images, expressions by a\n"
        "teacher, and their verification. FOLDER/set then holds the samples and manifest.json: SHA-256,\n"
        "counts beside the paper's, filters, prompts' versions, teacher and terms. No image is in it\n"
        "unless --copy-images is given.\n"
        "--check FOLDER compares such a set with its manifest.",
        example="--coco COCO_amodal_val2014.json COCO_amodal_test2014.json --coco-images coco/val2014 "
        "--teacher-url http://localhost:8000 --out sets/amodal_benchmark\n--check sets/amodal_benchmark/set",
    )
    objects.add_coco(own, "COCO_amodal_val2014.json and COCO_amodal_test2014.json")
    objects.add_filters(own, frames=False)
    own.add_argument("--out", type=Path, metavar="FOLDER", help="folder of the steps, and of the set below it")
    own.add_argument("--step", choices=STEPS, default="", help="run this step alone (default: all that has changed)")
    own.add_argument("--set-version", default=VERSION, metavar="VERSION", help="version that the manifest names")
    own.add_argument("--copy-images", action="store_true", help="copy the images into the set")
    own.add_argument("--check", type=Path, metavar="FOLDER", help="compare a set with its manifest, and end")
    second.add(own)
    arguments.add(own)
    notes.add_options(own)
    own.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.check:
        return _check(options.check)
    own: Parser = options.own
    if not options.out:
        own.error("--out FOLDER is missing: where the set is to be made")
    found = objects.sources(options, training=False)
    filters = objects.filters(options)
    began = first(found, filters, Excluded(), options.missing_share)
    if options.dry_run:
        Chain(options.out, [began]).run()
        print(teachers.expected(options, options.out / began.file, reasoned=False))
        return 0
    desk = teachers.desk(options)
    made = chain(options.out, began, teachers.workers(options, options.step != began.name, desk))
    whole = teachers.run(made, options, desk)
    print("\n".join(["", table(made.record, PAPER), "", *losses(made)]))
    status = teachers.status(made, whole)
    if whole and not options.step and not status:
        folder = pack(made, options.set_version, options.copy_images, asdict(filters))
        told = manifest.read(folder)["files"][FILE]
        print(f"\n{folder}: version {options.set_version}, {FILE} {told['records']:,} samples, sha256 {told['sha256']}")
    return status


def _check(folder: Path) -> int:
    told = manifest.read(folder)
    found = manifest.wrong(folder)
    for line in found:
        print(line)
    counts = told.get("counts", {})
    if not found:
        print(
            f"{folder} is whole: {told.get('name')} {told.get('version')}, {counts.get('samples')} samples on "
            f"{counts.get('images')} images, {len(told['files'])} files with their SHA-256"
        )
    return 1 if found else 0

"""`egm data questions KIND`: what robots' recordings show and say, as questions without boxes."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from egm_core import notes
from egm_core.command.data.kind_parsers import kind_parsers
from egm_core.command.data.licence import add_licence
from egm_core.command.data.missing import add_missing_share
from egm_core.data.convert import judge_missing, left_out, licence_words
from egm_core.data.kinds import recordings
from egm_core.data.questions import extracted, write_questions
from egm_core.data.readers.kind import DataError, Tally
from egm_core.data.readers.robots.question import Question, add_pictures
from egm_core.pictures.source import exists

_log = logging.getLogger("egm.data")


def add(commands: Any) -> None:
    """Add the command and its kinds."""
    known = recordings()
    own = commands.add_parser(
        "questions",
        help="write a robot's recordings as questions without boxes",
        description="Write a robot's recordings as questions: images and instructions, without boxes. Samples need "
        "the boxes of a person: egm data convert KIND --truth.",
        example=f"{known['droid'].name} {known['droid'].example} --out questions.jsonl",
    )
    for kind, one in kind_parsers(own, known.values(), "questions.jsonl"):
        add_pictures(one, needed=kind.writes_pictures)
        add_licence(one)
        add_missing_share(one, "questions")
        one.add_argument("--out", type=Path, required=True, help="file to write, .jsonl")
        notes.add_options(one)
        one.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    kind, tally = recordings()[options.kind], Tally()
    licences: Counter[str] = Counter()
    images: set[str] = set()

    def licensed(one: Question) -> Question:
        one = replace(one, licence=options.licence or one.licence)
        licences[one.licence] += 1
        return one

    def looked_for(found: Iterable[Question]) -> Iterator[Question]:
        for one in found:
            images.add(one.image)
            if not exists(one.image):
                tally.missing(one.image)
            yield one
        judge_missing(tally, images, options.missing_share)

    try:
        with tqdm(kind.questions(options, tally), unit="question", desc=f"reading {kind.name}", disable=None) as found:
            kept = (extracted(one, options.pictures) for one in found) if options.pictures else iter(found)
            count = write_questions(options.out, (licensed(one) for one in looked_for(kept)))
    finally:
        for line in left_out(tally):
            _log.warning("%s", line)
    if not count:
        options.out.unlink()
        raise DataError("the recordings hold no question that can be used; see what was left out, and the names given")
    print(f"{count:,} questions without boxes -> {options.out}")
    for line in licence_words(licences):
        print(line)

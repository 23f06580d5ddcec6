"""What `egm evaluate every` asks about: generated scenes, or gRefCOCO's own images and expressions."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from egm_core.arguments import PIXELS, changed
from egm_core.data.readers.referring.refer import SPLITS
from egm_core.data.readers.shared.pictures import add_images
from egm_core.evaluate.asking import rendered
from egm_core.evaluate.every.grefcoco import Posed, read
from egm_core.evaluate.every.questions import EveryQuestion, every_questions
from egm_core.evaluate.reports import learnt
from egm_core.families import Task
from egm_core.pictures.messages import RGB
from egm_core.pictures.source import read as read_picture

_OF_GREFCOCO = ("split", "instances", "images", "sample")
_log = logging.getLogger("egm.evaluate")
# An image with what is asked about it; None for one that cannot be used.
Shown = tuple[RGB | None, Sequence[EveryQuestion]]


@dataclass(frozen=True)
class Set:
    """Images with questions: their number and what they are called, what is known of them, and by which rules."""

    shown: Iterator[Shown]
    count: int
    what: str
    words: str
    about: dict[str, Any]
    tasks: tuple[Task, ...] | None = None
    by_theirs: bool = False


def add(own: argparse.ArgumentParser) -> None:
    """Give the command the options of gRefCOCO's files."""
    theirs = own.add_argument_group("gRefCOCO in the place of generated scenes")
    theirs.add_argument("--grefcoco", type=Path, metavar="ROOT", help="folder with grefs(unc).json and instances.json")
    theirs.add_argument(
        "--split", choices=SPLITS, nargs="+", default=[], metavar="SPLIT",
        help=f"splits to ask about, of {', '.join(SPLITS)} (default: all)",
    )  # fmt: skip
    theirs.add_argument("--instances", type=Path, help="COCO's instances_train2014.json (default: ROOT's)")
    add_images(theirs, what="ROOT")
    theirs.add_argument("--sample", type=PIXELS, metavar="N", help="ask a random part of N expressions (default: all)")


def chosen(arguments: argparse.Namespace) -> Set:
    """Give what the options name, and say what of it is not asked."""
    of_scenes, where = arguments.grefcoco is None, "with --grefcoco"
    idle = changed(arguments.own, arguments, _OF_GREFCOCO if of_scenes else ("first_seed", "scenes"))
    if idle:
        arguments.own.error(f"{idle} does nothing {'without --grefcoco' if of_scenes else where}; leave it away")
    return _scenes(arguments) if of_scenes else _grefcoco(arguments)


def _scenes(arguments: argparse.Namespace) -> Set:
    first, count = arguments.first_seed, arguments.scenes
    for words in learnt.of_seeds(first, count):
        _log.warning("%s", words)

    def shown() -> Iterator[Shown]:
        for scene in rendered(first, count):
            questions = every_questions(scene)
            if arguments.as_one:
                questions = [replace(one, text=one.text.replace("every ", "the ", 1)) for one in questions]
            yield scene.image, questions

    return Set(shown(), count, "scenes", f"scenes from seed {first}", {"first_seed": first})


def _grefcoco(arguments: argparse.Namespace) -> Set:
    root = arguments.grefcoco
    posed, told = read(root, arguments.split, arguments.instances, arguments.images, arguments.sample)
    for words in told:
        _log.warning("%s", words)
    of = f"images of gRefCOCO ({', '.join(arguments.split) or 'all splits'})"
    about = {"grefcoco": str(root), "split": arguments.split, "sample": arguments.sample}
    return Set(_images(posed), len(posed), "images", of, about, ("visible",), True)


def _images(posed: Iterable[Posed]) -> Iterator[Shown]:
    """Read the pictures; one that cannot be used is named, and nothing is asked about it."""
    for one in posed:
        try:
            picture = read_picture(one.image)
            wide, high = picture.shape[1], picture.shape[0]
            if (wide, high) != one.size:
                raise ValueError(
                    f"it is {wide} x {high}, and its record says {one.size[0]} x {one.size[1]}: take COCO's own images"
                )
        except (OSError, ValueError) as error:
            _log.warning("left out %d expressions about %s: %s", len(one.questions), one.image, error)
            yield None, ()
        else:
            yield picture, one.questions

"""What robots' recordings give: a picture and an instruction, and no box.

A question is not a sample: a sample without a box says that the object is absent, which nobody knows here. So
questions go into files of their own, and become samples only where their boxes are given beside them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from egm_core.arguments import whole
from egm_core.data.readers.kind import DataError, Kind, Tally
from egm_core.data.readers.robots.truth import Truth, add_truth, read_truth
from egm_core.sample import Sample

# The type of a picture's number in its recording.
FRAME = whole(0, 10_000_000)
UNLABELLED = (
    "recordings have no boxes: give those of a person with --truth, or write questions with `egm data questions {name}`"
)


@dataclass(frozen=True)
class Question:
    """A picture and an instruction whose box nobody has marked.

    `episode` is the recording's name in its data set and `frame` the picture's number in it, from 0. `also` are other
    names of the episode, by which truth may call it. `outcome` is "success" or "failure" where the recording tells.
    """

    image: str
    sent: str
    width: int
    height: int
    source: str
    episode: str
    frame: int
    outcome: str = ""
    licence: str = ""
    also: tuple[str, ...] = ()

    def answered(self, truth: Truth) -> Sample:
        """Make the sample of a question and its box, with the truth's own expression where it has one."""
        return Sample(
            image=self.image,
            sent=truth.sent or self.sent,
            bbox=truth.box,
            amodal_bbox=None,
            visible_fraction=None,
            height=self.height,
            width=self.width,
            source=self.source,
            image_id=f"{self.episode}:{self.frame}",
            licence=self.licence,
        )


@dataclass(frozen=True)
class Recordings:
    """A kind of robots' recordings, as `Kind` is one of samples: `questions` reads them."""

    name: str
    summary: str
    licence: str
    arguments: Callable[[argparse.ArgumentParser], None]
    questions: Callable[[argparse.Namespace, Tally], Iterator[Question]]
    example: str
    writes_pictures: bool = False


def add_pictures(parser: argparse.ArgumentParser, needed: bool) -> None:
    """Give a parser the option that names where pictures are written."""
    what = "write the images into this folder" if needed else "write the images into this folder, as files"
    parser.add_argument("--pictures", type=Path, required=needed, help=what)


def kind(recordings: Recordings) -> Kind:
    """Make the kind of samples that recordings and a file of boxes give together."""

    def arguments(parser: argparse.ArgumentParser) -> None:
        recordings.arguments(parser)
        if recordings.writes_pictures:
            add_pictures(parser, needed=True)
        add_truth(parser)

    def read(options: argparse.Namespace, tally: Tally) -> Iterator[Sample]:
        if options.truth is None:
            raise DataError(f"{recordings.name}: {UNLABELLED.format(name=recordings.name)}")
        truths = read_truth(options, tally)
        used = set()
        for question in recordings.questions(options, tally):
            names = [name for name in (question.episode, *question.also) if name in truths]
            used.update(names)
            if not names:
                tally.drop("questions of episodes that the truth does not name", question.episode)
            for truth in (truth for name in names for truth in truths[name]):
                if truth.frame not in (None, question.frame):
                    tally.drop("boxes of another frame than is read (--frame)", truth.place)
                elif not (fitted := truth.fitted(question.width, question.height)):
                    tally.drop("boxes that leave the picture: they are for another size (--truth-size)", truth.place)
                else:
                    yield question.answered(replace(truth, box=fitted))
        for name, found in truths.items():
            if name not in used:
                tally.drop("boxes of episodes that are not among the recordings read", found[0].place)

    return Kind(
        recordings.name,
        f"{recordings.summary}, with boxes from --truth",
        recordings.licence,
        arguments,
        read,
        f"{recordings.example} --truth boxes.jsonl",
    )

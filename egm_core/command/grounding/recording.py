"""`egm ground --bag`: grounds a whole recording without ROS, and writes it again with the boxes beside its messages.

Exit status: 0 where it is written, 1 where no answer came or writing failed, 2 for a call that is wrong.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from egm_core import notes
from egm_core.arguments import COUNT, SECONDS, Parser, number, whole
from egm_core.command.grounding.models import Opened, add_options, opened, refuse_contradictions
from egm_core.console import attempt
from egm_core.grounder.grounder import NO_WORDS
from egm_core.grounder.reading import worded
from egm_core.propagation import Limits
from egm_core.propagation.frames import WIDTH
from egm_core.recordings import summary
from egm_core.recordings.answers import END, Answers
from egm_core.recordings.asking import Asking
from egm_core.recordings.cameras import ALL, Camera, chosen
from egm_core.recordings.entries import Beside, Channel, Overview
from egm_core.recordings.looking import Pace
from egm_core.recordings.mcap.writer import Writer
from egm_core.recordings.messages import Messages
from egm_core.recordings.recording import Recording, found
from egm_core.recordings.writing import DESCRIPTION, Tally, Writing, clash, in_numbers, name_of
from egm_core.targets import lines as targets

FLAG = "--bag"
# Boxes age by the propagation node's parameters.
LIMITS = Limits()
# What the answers depend on, beside the recording, the lines and the pace: another value makes them another call's.
_ASKED = (
    "model", "amodal_model", "visible_adapter", "amodal_adapter", "family", "max_pixels", "engine", "engine_url",
    "engine_model", "engine_precision", "no_reasoning", "visible_only", "force_amodal", "max_objects", "min_score",
    "deadline", "constrain", "out_of_domain",
)  # fmt: skip
_log = logging.getLogger("egm.ground")


def wanted(arguments: Sequence[str]) -> bool:
    """Tell whether a command line is about a recording."""
    return any(word == FLAG or word.startswith(f"{FLAG}=") for word in arguments)


def ordered(arguments: Sequence[str]) -> list[str]:
    """Put the recording, which follows --bag, before all else."""
    first: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        if word == FLAG:
            following = next(words, None)
            (rest if following is None or following.startswith("-") else first).extend([following] if following else [])
        elif word.startswith(f"{FLAG}="):
            first.append(word.partition("=")[2])
        else:
            rest.append(word)
    return first + rest


def main(arguments: Sequence[str], prog: str = "egm ground", as_json: bool = False) -> int:
    """Ground a recording; gives the exit status."""
    own = parser(prog)
    options = own.parse_intermixed_args(ordered(arguments))
    notes.begin(options)
    return attempt(lambda: _ground(own, options, as_json or options.json))


def parser(prog: str = "egm ground") -> Parser:
    """Make the parser of the command line; the recording is the word behind --bag."""
    parser = Parser(
        prog=f"{prog} {FLAG}",
        description="Ground a whole recording without ROS, and write it as MCAP with the boxes beside its messages."
        " All that it holds stays as it is, byte for byte. Every second an image is asked about, and the boxes are"
        " propagated to the images between. Answers are kept until the file is written: after Ctrl-C or a kill the"
        " same command goes on from there.",
        example='kitchen --out boxes.mcap "the red mug"\ndrive.mcap --out boxes.mcap --topic all --every 15 "the bus"'
        ' "the red car"',
    )
    parser.add_argument("recording", type=Path, help=".mcap, .db3 or .bag file (ROS 1), or the folder of a bag")
    parser.add_argument("instruction", nargs="+", help="what to find; each one, or each line of one, is a target")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="MCAP file to write")
    parser.add_argument("--force", action="store_true", help="replace the file where there is one")
    parser.add_argument(
        "--topic", action="append", default=[], metavar="TOPIC",
        help=f"image topic, raw or compressed; again for another camera; {ALL}: every camera (default: the only one)",
    )  # fmt: skip
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--rate", type=number(above=0, high=1000), default=1.0, help="images a second to ask about")
    pace.add_argument(
        "--every",
        type=whole(0, 10**6),
        default=0,
        metavar="N",
        help="ask about each image of this number; 0: by --rate",
    )
    parser.add_argument("--at-once", type=COUNT, default=1, metavar="N", help="questions that are asked at a time")
    parser.add_argument(
        "--max-propagation", type=SECONDS, default=LIMITS.max_age, metavar="SECONDS",
        help="boxes end this long after the image that was asked about",
    )  # fmt: skip
    parser.add_argument(
        "--namespace", default="", metavar="NAME",
        help="put this before the names of the new topics (default: none, as the nodes without a namespace)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")
    add_options(parser)
    notes.add_options(parser)
    return parser


def _ground(own: Parser, options: argparse.Namespace, as_json: bool) -> int:
    began = time.monotonic()
    refuse_contradictions(own, options)
    lines = _lines(options.instruction)
    _check_out(options.out, options.force)
    recording, told = found(options.recording), Told()
    for doubt in recording.doubts:
        told(doubt)
    overview = recording.overview()
    cameras = chosen(recording, overview, options.topic, told)
    within = "".join(f"/{part}" for part in options.namespace.split("/") if part)
    clash(overview, cameras, within)
    with opened(options, options.at_once) as model:
        about = _about(recording, cameras, lines, options, model)
        answers = Answers(options.out.with_name(options.out.name + END), about)
        try:
            _ask(recording, overview, cameras, lines, options, model, answers)
            _say_what_lacks(options, model, answers)
        finally:
            answers.close()
    tally = _write(recording, overview, cameras, lines, options, answers, within, about, told)
    answers.remove()
    report = summary.of(options.out, about, answers, tally, told.said, time.monotonic() - began)
    print(json.dumps(report, indent=2, ensure_ascii=False) if as_json else summary.written(report))
    for doubt in summary.doubts(report):
        _log.warning("%s", doubt)
    return 0


class Told:
    """Says what is odd about a recording, once, and keeps it for the report."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, words: str) -> None:
        """Say a sentence."""
        if words not in self.said:
            self.said.append(words)
            _log.warning("%s", words)


def _lines(given: Sequence[str]) -> tuple[str, ...]:
    read = targets.read("\n".join(given))
    if not read.lines or not all(map(worded, read.lines)):
        raise ValueError(NO_WORDS)
    if read.left_out:
        _log.warning("%s", read.left_out)
    return read.lines


def _check_out(out: Path, force: bool) -> None:
    if out.suffix != ".mcap":
        raise ValueError(f"--out: {out} is written as MCAP; give a name that ends in .mcap")
    if out.is_dir():
        raise ValueError(f"--out: {out} is a folder; name a file in it")
    if not out.parent.is_dir():
        raise ValueError(f"--out: there is no folder {out.parent}; make it, or give another name")
    if out.exists() and not force:
        raise ValueError(f"--out: {out} is there already; give another name, or replace it with --force")


def _about(
    recording: Recording, cameras: Sequence[Camera], lines: Sequence[str], options: argparse.Namespace, model: Opened
) -> dict[str, Any]:
    """Say what is asked: answers that were kept are of use for the very same alone."""
    files = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in recording.files]
    return {
        "recording": str(recording.path),
        "files": files,
        "topics": {camera.topic: camera.name for camera in cameras},
        "instruction": list(lines),
        "rate": options.rate,
        "every": options.every,
        "answered_by": model.info.name,
        "options": {name: getattr(options, name) for name in _ASKED},
    }


def _ask(
    recording: Recording,
    overview: Overview,
    cameras: Sequence[Camera],
    lines: Sequence[str],
    options: argparse.Namespace,
    model: Opened,
    answers: Answers,
) -> None:
    if answers.taken_up:
        _log.info("%s has %d answers of this very call, which is gone on with", answers.path, len(answers))
    elif answers.other:
        _log.warning("%s was of another call (%s differs), and is begun anew", answers.path, answers.other)
    total = sum(overview.counts.get(camera.topic, 0) for camera in cameras) or None
    with _bar(options, total, "images", "asking") as bar:

        def moved() -> None:
            bar.update()
            bar.set_postfix(asking.outcomes, refresh=False)

        asking = Asking(recording, cameras, lines, Pace(options.every, options.rate), answers, moved, _log.warning)
        asking.run(model.grounder, options.at_once, options.timeout)
    if not any(answer.outcome != "error" for answer in answers.values()):
        why = next((f": {answer.reason}: {answer.detail}" for answer in answers.values()), "")
        raise RuntimeError(
            f"no question got an answer{why}; nothing is written" if why else
            f"{recording.path} has no image that can be read on {', '.join(camera.topic for camera in cameras)}"
            f"{f' ({asking.unread})' if asking.unread else ''}; nothing is written"
        )  # fmt: skip


def _say_what_lacks(options: argparse.Namespace, model: Opened, answers: Answers) -> None:
    had = [answer for answer in answers.values() if answer.outcome != "error"]
    scored = any(answer.scored for answer in had)
    thought = any(answer.values.get("thought") == "yes" for answer in had)
    for lack in model.lacks(options, scored, thought):
        _log.warning("%s", lack)


def _write(
    recording: Recording,
    overview: Overview,
    cameras: Sequence[Camera],
    lines: Sequence[str],
    options: argparse.Namespace,
    answers: Answers,
    within: str,
    about: dict[str, Any],
    told: Told,
) -> Tally:
    # What messages are written in is one only where it is CDR throughout, for so are ours.
    profile = "ros2" if overview.profile == "ros2" else ""
    numbers = in_numbers(overview, recording)
    with Writer(options.out, profile) as writer, _bar(options, overview.messages or None, "messages", "writing") as bar:
        limits = Limits(options.max_propagation, options.max_propagation)
        messages = Messages(numbers)
        writing = Writing(writer, messages, cameras, lines, answers, limits, WIDTH, within)
        described = False
        for entry in recording.entries(told):
            if isinstance(entry, Channel):
                writer.add(entry)
            elif isinstance(entry, Beside):
                ours = name_of(entry) == DESCRIPTION
                if not (ours and described):
                    writer.keep(entry)
                described = described or ours
            else:
                writing.write(entry)
                bar.update()
        if profile and numbers and not described:
            # By this rosbag2 knows how qualities of service are written.
            writer.metadata(DESCRIPTION, {"ROS_DISTRO": str((recording.information or {}).get("ros_distro") or "")})
        writer.metadata("egm", {key: json.dumps(value, ensure_ascii=False) for key, value in about.items()})
        writer.finish()
    return writing.end()


def _bar(options: argparse.Namespace, total: int | None, unit: str, title: str) -> Any:
    from tqdm import tqdm

    # None: where nobody looks, nothing is drawn.
    return tqdm(total=total, unit=f" {unit}", desc=title, disable=True if options.quiet else None)

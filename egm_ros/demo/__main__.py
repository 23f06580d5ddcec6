"""Runs the demonstration: processes as on a robot, two instructions at a time on a topic, boxes at a subscriber.

    python -m egm_ros.demo --out out [--live] [--model MODEL]

It prints a row for each answer and leaves demo.png, demo_now.png (propagated boxes beside stale ones), demo.mp4 and
the processes' logs in the folder. It ends with 1 when a process died or no box came, and with 2 for a wrong call.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from egm_core.arguments import Parser
from egm_core.boxes import Box
from egm_core.console import finish
from egm_core.streams.joining import Stamp
from egm_ros.common.pictures.images import RGB
from egm_ros.demo import cast, pictures, stage
from egm_ros.demo.command import START_SECONDS, add_options, conducted
from egm_ros.demo.processes import Processes
from egm_ros.demo.robot import GRACE, Robot, Row
from egm_ros.demo.stage import Shown

PROG = "python -m egm_ros.demo"
ANSWERS = 2
FINAL = ("found", "absent")
SHORTEST, LONGEST = 3.2, 6.0
# On a slow machine some instructions are left out, so that the demonstration still ends within a minute.
LIMIT = 50.0
BOXES = f"{'visible':>20} {'amodal':>20}"
HEADINGS = f"{'id':4} {'instruction':38} {'outcome':8} {BOXES} {'score':>6} {'ms':>6}  IoU with the truth"


class NoAnswer(RuntimeError):
    """The processes ran, but nothing came of it."""


class Demo:
    """The demonstration's course: start, ask, listen, tidy up."""

    def __init__(self, options: argparse.Namespace, shown: list[Shown]) -> None:
        self._options, self._shown = options, shown
        self._began = time.monotonic()
        self._processes = Processes(options.out / "logs")
        self._robot = Robot()
        self._tiles: list[tuple[RGB, str]] = []
        self._listed = 0
        self._beside: list[tuple[Stamp, str]] = []

    def run(self) -> None:
        """Run it all; raises ProcessDied or NoAnswer."""
        try:
            self._start()
            for number, shown in enumerate(self._shown):
                left = max(0.0, LIMIT - self._seconds())
                self._show(shown, time.monotonic() + left / (len(self._shown) - number))
            self._leave()
        finally:
            self._processes.stop()
            self._robot.close()

    def _start(self) -> None:
        url = cast.start(self._processes, self._options.model, show="mixed")

        def ready() -> bool:
            return cast.ready(url, lambda: self._robot.heard)

        if not self._robot.spin_until(ready, START_SECONDS, self._processes.check):
            raise NoAnswer(f"the engine was not ready after {START_SECONDS:g} s; see {self._options.out / 'logs'}")
        print(f"engine, grounding node and overlay are up after {self._seconds():.1f} s\n\n{HEADINGS}", flush=True)

    def _show(self, shown: Shown, deadline: float) -> None:
        """Run a camera, and ask one thing after the other until the deadline."""
        camera = f"camera_{shown.name}"
        before, started = self._robot.pictures, time.monotonic()
        self._processes.start(camera, "egm_ros.camera", "--ros-args", *shown.camera)
        # DDS may take three seconds to let one of those who look on know of a new camera.
        self._robot.spin_until(
            lambda: (
                self._robot.fed_at > started
                and all(now > then for now, then in zip(self._robot.pictures, before, strict=True))
            ),
            LONGEST,
            self._processes.check,
        )
        self._list(shown)
        print(f"-- {shown.name}, {self._seconds():.1f} s", flush=True)
        couples = shown.couples(self._options.instructions)
        for number, couple in enumerate(couples):
            first = len(self._robot.rows)
            asked = time.monotonic()
            if number and asked > deadline:
                rest = [text for left in couples[number:] for text in left]
                print(f"left out for want of time: {', '.join(rest)}", flush=True)
                break
            self._robot.say("\n".join(couple))

            def answered(couple: tuple[str, ...] = couple, first: int = first, asked: float = asked) -> bool:
                counts = [len(self._final(first, instruction)) for instruction in couple]
                return min(counts) >= ANSWERS and time.monotonic() - asked > SHORTEST

            patience = LONGEST + (10.0 if number == 0 else 0.0)
            self._robot.spin_until(answered, patience, self._processes.check)
            self._list(shown)
            for instruction in couple:
                if not any(row.instruction == instruction for row in self._robot.rows[first:]):
                    print(f"no answer came in {time.monotonic() - asked:.0f} s: {instruction}", flush=True)
            answers = {instruction: self._final(first, instruction) for instruction in couple}
            self._keep_tile(shown, [row for row in self._robot.rows[first:] if row.instruction in couple])
            self._compare(shown, answers)
        self._robot.say("")
        # What the last query came to is listed as well.
        self._robot.spin_until(lambda: len(self._robot.rows) > self._listed, GRACE, self._processes.check)
        self._list(shown)
        self._processes.stop(camera)

    def _list(self, shown: Shown) -> None:
        """Print a row for each answer that was not listed yet, whatever came of it."""
        rows = self._robot.rows[self._listed :]
        self._listed += len(rows)
        for row in rows:
            print(line(row, shown.verdict(row, self._robot.seen(row.stamp))), flush=True)

    def _keep_tile(self, shown: Shown, rows: list[Row]) -> None:
        """Draw the newest picture for which most of the couple was answered."""
        rows = [row for row in rows if row.outcome in FINAL] or rows
        seen = [row for row in rows if self._robot.seen(row.stamp) is not None] or rows
        stamps = Counter(row.stamp for row in seen)
        if stamps:
            chosen = max(stamps, key=lambda stamp: (stamps[stamp], stamp))
            told = [(row, shown.verdict(row, self._robot.seen(chosen))) for row in seen if row.stamp == chosen]
            told.sort(key=lambda pair: pair[0].identity)
            self._tiles.append(tile(told, self._robot))

    def _compare(self, shown: Shown, answers: dict[str, list[Row]]) -> None:
        """Choose the picture with the oldest answers, and tell what those are worth beside the propagated boxes."""
        carried = {instruction: self._robot.carried(instruction) for instruction in answers}
        common = [stamps for stamps in map(set, carried.values()) if stamps]
        pairs = []
        for stamp in set.intersection(*common) if common else ():
            since = self._robot.live_since(stamp)
            then = {text: stage.answer_at(answers[text], stamp, since) for text in answers if stamp in carried[text]}
            rows = {text: row for text, row in then.items() if row is not None and row.visible is not None}
            if len(rows) == len(common):
                pairs.append(((stamp - min(row.stamp for row in rows.values())) / 1e9, stamp, rows))
        for age, stamp, chosen in sorted(pairs, key=lambda pair: pair[:2], reverse=True)[:1]:
            seen = self._robot.seen(stamp)
            lines = [f"answers, {age:.1f} s old: green, orange; propagated: blue, violet"]
            for text, row in chosen.items():
                boxes = row.visible, carried[text][stamp]
                told = [stage.worded(shown.overlap(text, box, seen)) or "unknown" for box in boxes]
                number = row.identity.partition(":")[0]
                lines += [f"{number} {text}", f"answer: {told[0]}; propagated: {told[1]}"]
            self._beside.append((stamp, "\n".join(lines)))

    def _final(self, first: int, instruction: str) -> list[Row]:
        """Give the rows about an instruction, from a row on, that tell whether it is there."""
        rows = self._robot.rows[first:]
        return [row for row in rows if row.instruction == instruction and row.outcome in FINAL]

    def _leave(self) -> None:
        """Write the pictures and sum up."""
        out: Path = self._options.out
        self._list(self._shown[-1])
        rows = self._robot.rows
        boxes = sum(row.visible is not None for row in rows)
        if not boxes or not self._tiles:
            raise NoAnswer(f"{len(rows)} answers came, but no box; see {out / 'logs'}")
        film = self._robot.film
        if not film:
            raise NoAnswer("no picture came from the overlay")
        pictures.contact_sheet(out / "demo.png", self._tiles)
        beside = [(image, told) for stamp, told in self._beside if (image := self._robot.live(stamp)) is not None]
        if beside:
            pictures.contact_sheet(out / "demo_now.png", beside)
        pictures.film(out / "demo.mp4", film, self._shown[0].rate)
        summary = f"{len(rows)} answers, {boxes} with boxes, in {self._seconds():.0f} s"
        print(f"\n{summary}: {out / 'demo.png'}, {out / 'demo.mp4'}")

    def _seconds(self) -> float:
        return time.monotonic() - self._began


def outcome(row: Row) -> str:
    """Write an answer's outcome, with the reason where it is no answer, or one that was taken back."""
    return f"{row.outcome} ({row.reason})" if row.reason else row.outcome


def rounded(score: str) -> str:
    """Write a score with two digits, as the overlay does; what is no number stays."""
    return f"{float(score):.2f}" if score.replace(".", "", 1).isdecimal() else score


def tile(answers: Sequence[tuple[Row, str]], robot: Robot) -> tuple[RGB, str]:
    """Make the picture and caption of answers about one picture, with their verdicts: their boxes, in that picture.

    What the overlay showed last of that picture may have been an older answer's boxes.
    """
    image, note = robot.seen(answers[0][0].stamp), ""
    if image is None:
        image, note = np.full((240, 320, 3), pictures.PAPER, np.uint8), "the picture was lost on its way; "
    else:
        rows = [row for row, _ in answers]
        labels = [
            f"{row.instruction} {rounded(row.score)}" if row.visible else f"{outcome(row)}: {row.instruction}"
            for row in rows
        ]
        found = [(f"{row.identity} {row.instruction}", row.visible, row.amodal) for row in rows if row.visible]
        image = pictures.answered(image, ", ".join(labels), found)
    lines = []
    for row, verdict in answers:
        told = [outcome(row), f"score {row.score}", f"{row.total_ms:.0f} ms", stage.worded(verdict)]
        thought = textwrap.shorten(row.reasoning, pictures.CAPTION_WIDTH, placeholder=" ...")
        lines += [f"{row.identity} {row.instruction}", note + ", ".join(filter(None, told)), thought]
    return image, "\n".join(lines)


def line(row: Row, verdict: str) -> str:
    """Write an answer as a row of the table."""

    def edges(box: Box | None) -> str:
        return "[" + " ".join(f"{edge:.0f}" for edge in box) + "]" if box else "-"

    return (
        f"{row.identity:4} {row.instruction:38.38} {outcome(row):8} "
        f"{edges(row.visible):>20} {edges(row.amodal):>20} {row.score:>6.6} {row.total_ms:6.0f}  {verdict}"
    )


def parser(prog: str = PROG) -> Parser:
    """Make the parser of the command line."""
    parser = Parser(
        prog=prog,
        description="Ground two instructions at a time in two clips, with a robot's processes; leaves images and logs.",
        example="--out out --worlds tabletop",
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for demo.png, demo.mp4 and logs")
    parser.add_argument("--live", action="store_true", help="render the scenes now (needs EGL)")
    add_options(parser, "show", 100)
    return parser


def main(arguments: list[str] | None = None, prog: str = PROG) -> int:
    """Run the command line and return its exit status."""
    return conducted(parser(prog), arguments, lambda options, shown: Demo(options, shown).run())


if __name__ == "__main__":
    sys.exit(finish(main))

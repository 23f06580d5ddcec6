"""`egm ground`: grounds an instruction in a picture, and prints a line about it, or the whole answer as JSON.

Boxes are [x0, y0, x1, y1] in pixels of the picture. Exit status: 0 for found and absent, 1 where no answer came, 2
for a call that is wrong.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.boxes import Box
from egm_core.command.grounding import recording
from egm_core.command.grounding.models import add_options, opened, refuse_contradictions
from egm_core.console import FAILED, attempt
from egm_core.grounder.explained import explained
from egm_core.grounder.grounder import NO_WORDS, Grounding
from egm_core.grounder.grounding import Found
from egm_core.grounder.reading import worded
from egm_core.pictures.draw import check_writable, draw
from egm_core.pictures.pixels import read_image

_log = logging.getLogger("egm.ground")
_THOUGHTS = {
    "yes": "with thinking", "no": "without thinking", "late": "without thinking, which did not end in time", "": "",
}  # fmt: skip


def main(arguments: list[str] | None = None, prog: str = "egm ground", as_json: bool = False) -> int:
    """Ground once, or with --bag a whole recording; gives the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    if recording.wanted(given):
        return recording.main(given, prog, as_json)
    own = parser(prog)
    options = own.parse_args(given)
    notes.begin(options)
    return attempt(lambda: _answer(own, options, as_json or options.json))


def _answer(own: Parser, options: argparse.Namespace, as_json: bool) -> int:
    """Ask, print and draw; gives the exit status."""
    refuse_contradictions(own, options)
    if not worded(options.instruction):
        raise ValueError(NO_WORDS)
    if options.draw:
        check_writable(Path(options.draw))
    image = read_image(Path(options.image))
    grounding, model = _ground(options, image)
    if as_json:
        height, width = image.shape[:2]
        head = {"instruction": options.instruction, "image": options.image, "width": width, "height": height}
        print(json.dumps({**head, "model": model, **grounding.to_json()}, indent=2, ensure_ascii=False))
    else:
        print(line(options.instruction, model, grounding, options.deadline or 0.0))
        for doubt in grounding.warnings:
            _log.warning("%s", explained(doubt))
    if options.draw:
        boxes = [each.visible for each in grounding.objects], [each.amodal for each in grounding.objects if each.amodal]
        picture = draw(image, *boxes, _label(options.instruction, grounding))
        if not cv2.imwrite(options.draw, cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
            raise OSError(f"cannot write {options.draw}; may its folder be written to, and is there room?")
    return FAILED if grounding.outcome == "error" else 0


def _ground(options: argparse.Namespace, image: NDArray[np.uint8]) -> tuple[Grounding, str]:
    """Ask the model or models; gives the answer, and the name of the first model."""
    with opened(options) as model:
        found = model.grounder.ground(image, options.instruction, timeout=options.timeout)
        if found.outcome != "error":
            for lack in model.lacks(options, found.score_available and not found.further, found.thought == "yes"):
                _log.warning("%s", lack)
        return found, model.info.name


def line(instruction: str, model: str, grounding: Grounding, deadline: float = 0.0) -> str:
    """Write an answer as one line: what became of the instruction, the boxes, the scores, the model and the time.

    Several objects follow, each on a line of its own. With a `deadline` in seconds also whether the model thought, and
    whether the answer missed it.
    """
    parts = [f"{grounding.outcome}: {instruction}"]
    if grounding.outcome != "found":
        parts += [": ".join(filter(None, (grounding.reason, " ".join(grounding.detail.split()))))]
    several = grounding.objects if grounding.further else ()
    parts += [f"{len(several)} objects"] if several else _boxes(grounding)
    if grounding.outcome != "error" and not several:
        parts.append(_scores(grounding))
    if deadline:
        parts.append(_THOUGHTS[grounding.thought])
    missed = f", missed its deadline of {1000 * deadline:.0f} ms" if deadline and grounding.missed else ""
    parts.append(f"{model} in {grounding.total_ms:.0f} ms{missed}")
    rows = [" | ".join([*_boxes(each), _scores(each)]) for each in several]
    return "\n".join([" | ".join(filter(None, parts)), *(f"  {place}: {row}" for place, row in enumerate(rows, 1))])


def _scores(grounding: Grounding | Found) -> str:
    if not grounding.score_available:
        return "no score"
    kind = "score" if "visible" in grounding.calibrated or not grounding.visible else "raw score"
    told = f"{kind} {grounding.score:.2f}"
    if grounding.amodal is None:
        return told
    kind = "amodal score" if "amodal" in grounding.calibrated else "raw amodal score"
    return f"{told}, {kind} {grounding.amodal_score:.2f}"


def _boxes(grounding: Grounding | Found) -> list[str]:
    boxes = {"visible": grounding.visible, "amodal": grounding.amodal}
    return [f"{name} {_edges(box)}" for name, box in boxes.items() if box]


def _edges(box: Box) -> str:
    return f"[{' '.join(f'{edge:.0f}' for edge in box)}]"


def _label(instruction: str, grounding: Grounding) -> str:
    score = f" {grounding.score:.2f}" if grounding.score_available else ""
    if grounding.further:
        score = f": {len(grounding.objects)} objects"
    state = {"found": score, "absent": f": {grounding.reason or 'absent'}", "error": f": {grounding.reason}"}[
        grounding.outcome
    ]
    return f"{instruction}{state}"


def forms(prog: str = "egm ground") -> list[Parser]:
    """Make the parsers of both forms: of an image, and of a recording."""
    return [parser(prog), recording.parser(prog)]


def parser(prog: str = "egm ground") -> Parser:
    """Make the parser of the command line."""
    parser = Parser(
        prog=prog,
        description="Find what an instruction means in an image: its visible box, and its amodal one. For a whole"
        " recording, see --bag --help.",
        example='kitchen.jpg "the red mug" --draw boxes.png\nkitchen.jpg "the red mug" --engine-url http://robot:8000',
    )
    parser.add_argument("image", help="image file")
    parser.add_argument("instruction", help="what to find, such as 'the red mug'")
    parser.add_argument("--json", action="store_true", help="print all that is known of the answer as JSON")
    parser.add_argument("--draw", metavar="FILE", help="write the image with the boxes drawn into it; .png or .jpg")
    add_options(parser)
    notes.add_options(parser)
    return parser

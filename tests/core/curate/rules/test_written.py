"""Written traces with slots for a scene's things, good ones and mistakes, over many scenes."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from egm_core.curate.rules.facts import SIDES, Facts
from egm_core.curate.rules.judge import judge

HERE = Path(__file__).parent
THINGS = {
    "tabletop": ("mug", "box", "bottle", "bowl", "ball", "can", "book", "notebook", "pen", "hammer"),
    "street": ("car", "van", "person", "cone"),
}
COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "white", "black")
FRAMES = ("magenta", "cyan", "green", "yellow", "red", "blue", "orange")
SCENES = 3


def filled(line: dict[str, str], rng: random.Random) -> tuple[str, Facts]:
    """Put the things of a random scene into a trace's slots, and give what is known of that scene."""
    nouns = THINGS[rng.choice(list(THINGS))]
    things = [(colour, noun) for noun in nouns for colour in COLOURS]
    own, *others = rng.sample(things, 6)
    neighbour, occluder, wrong, other = (f"the {colour} {noun}" for colour, noun in others[:4])
    sent = rng.choice(
        [f"the {own[0]} {own[1]}", f"the {own[1]} left of {neighbour}", f"{own[0]} {own[1]} by {neighbour}"]
    )
    side, wrong_side = rng.sample(SIDES, 2)
    frame = rng.choice([colour for colour in FRAMES if colour not in sent and colour != own[0]])
    amodal = line["task"] == "amodal"
    slots = {
        "sent": sent, "name": own[1], "colour": own[0], "neighbour": neighbour, "occluder": occluder, "side": side,
        "wrong_side": wrong_side, "wrong_occluder": wrong, "other": other, "frame": frame, "percent": "40", "w": "120",
        "x1": "35",
    }  # fmt: skip
    trace = line["trace"]
    for slot, word in slots.items():
        trace = trace.replace(f"{{{slot}}}", word)
    known = tuple(f"the {colour} {noun}" for colour, noun in others)
    task = "amodal" if amodal else "visible"
    return trace, Facts(sent, own[1], frame, task, (occluder,) if amodal else (), (side,) if amodal else (), known, 0.6)


def judged(name: str) -> dict[str, list[str]]:
    """Judge all lines of a file in some scenes each; gives by line what was found, and the trace where nothing was."""
    found: dict[str, list[str]] = {}
    for number, text in enumerate((HERE / name).read_text("utf-8").splitlines()):
        line = json.loads(text)
        for scene in range(SCENES):
            trace, facts = filled(line, random.Random(f"{number} {scene}"))
            rules = [f"{finding.rule}: {finding.words}" for finding in judge(trace, facts)]
            found[f"{number} {scene} {trace} [{facts.expression}]"] = rules
    return found


def test_mistakes_are_caught() -> None:
    found = judged("mistakes.jsonl")
    missed = [trace for trace, rules in found.items() if not rules]
    assert len(found) > 500 and len(missed) <= 0.02 * len(found), missed


def test_good_traces_are_kept() -> None:
    found = judged("good.jsonl")
    lost = {trace: rules for trace, rules in found.items() if rules}
    assert len(found) > 300 and len(lost) <= 0.02 * len(found), lost


def test_words_that_drawings_and_things_share_are_kept() -> None:
    lost = {}
    for text in (HERE / "of_things.jsonl").read_text("utf-8").splitlines():
        told = json.loads(text)
        frame = next(colour for colour in FRAMES if colour not in told["sent"] and colour != told["colour"])
        occluders, sides = ((told["occluder"],), (told["side"],)) if "side" in told else ((), ())
        known = Facts(told["sent"], told["name"], frame, told["task"], occluders, sides)
        if findings := judge(told["trace"], known):
            lost[told["trace"]] = findings
    assert not lost


@pytest.mark.parametrize("name", ["good.jsonl", "mistakes.jsonl"])
def test_slots_are_all_filled(name: str) -> None:
    for text in (HERE / name).read_text("utf-8").splitlines():
        line = json.loads(text)
        if line.get("kind") not in ("leftover", "error"):
            assert "{" not in filled(line, random.Random(0))[0]

"""Traces that other people wrote, good ones and mistakes, filled with the truth of samples."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from proof_worlds import Thing, World, world_of

from egm_core.curate.rules import facts
from egm_core.curate.rules.facts import SIDES, Facts
from egm_core.curate.rules.judge import judge, suspects
from egm_core.sample import Sample

HERE = Path(__file__).parent
GOOD = "good"
FRAME = "{frame}"
_ARTICLES = re.compile(r"\b(a|an|the|this|that|another|any|no|each|every) the ", re.IGNORECASE)


@dataclass(frozen=True)
class Wording:
    """A trace with slots, or one about a thing of its own; `kind` is that of the mistake, or good."""

    half: str
    kind: str
    task: str
    trace: str
    own: dict[str, str] | None = None


@dataclass(frozen=True)
class Planned:
    """A wording in the mouth of the teacher, for one sample."""

    wording: Wording
    text: str


def read(half: str) -> list[Wording]:
    """Read all files of a half."""
    found = []
    for file in sorted((HERE / half).glob("*.jsonl")):
        for line in file.read_text("utf-8").splitlines():
            told = json.loads(line)
            own = {key: told[key] for key in told if key not in ("kind", "task", "trace")}
            found.append(Wording(half, told.get("kind", GOOD), told["task"], told["trace"], own or None))
    return found


def some(wordings: Sequence[Wording], limit: int | None, rng: random.Random) -> list[Wording]:
    """Give so many of them at the most, drawn at random."""
    return list(wordings) if limit is None else rng.sample(list(wordings), min(limit, len(wordings)))


def judged_alone(wording: Wording, rng: random.Random) -> tuple[bool, bool]:
    """Tell whether the rules reject a trace about a thing of its own, and whether they suspect it."""
    own = wording.own or {}
    colours = [one for one in ("magenta", "cyan", "yellow") if one not in json.dumps(own)]
    known = Facts(
        own["sent"],
        own["name"],
        rng.choice(colours),
        "amodal" if wording.task == "amodal" else "visible",
        (own["occluder"],) if "occluder" in own else (),
        (own["side"],) if own.get("side") in SIDES else (),  # type: ignore[arg-type]
    )
    suspicions = [suspects(finding) for finding in judge(wording.trace, known)]
    return not all(suspicions), any(suspicions)


def plan(
    wordings: Sequence[Wording], samples: Sequence[Sample], worlds: dict[str, World], task: str, rng: random.Random
) -> dict[tuple[str, str], Planned]:
    """Give each wording with slots a sample of its own; ValueError where there are too few samples."""
    wanted = [one for one in wordings if one.task == task and one.own is None]
    able = [one for one in samples if _able(one, world_of(worlds, one), task)]
    if len(able) < len(wanted):
        raise ValueError(f"{len(wanted)} wordings of {task} boxes need as many samples, and {len(able)} will do")
    chosen = rng.sample(able, len(wanted))
    return {
        (world_of(worlds, sample).stem, sample.sent): Planned(
            wording, filled(wording, sample, world_of(worlds, sample), rng)
        )
        for wording, sample in zip(wanted, chosen, strict=True)
    }


def _able(sample: Sample, world: World, task: str) -> bool:
    thing = world.meant(sample.sent)
    if thing is None or len(world.things) < 3:
        return False
    if task == "visible":
        # A trace may name things by colour and noun: that has to be true, and in the file.
        return thing.alone and sum(one.alone for one in world.things) > 1
    sides = facts.hidden_sides(sample.bbox, sample.amodal_bbox)
    names = {one.name for one in world.things}
    wrong = names - {thing.name, *thing.behind, *sample.occluders}
    # What hides it is known by name, and the file says so.
    known = bool(sample.occluders) and set(sample.occluders) <= names & set(thing.behind)
    return 0 < len(sides) < len(SIDES) and bool(wrong) and known


def filled(wording: Wording, sample: Sample, world: World, rng: random.Random) -> str:
    """Fill in a wording's slots; the drawing's colour is filled in when it is known."""
    thing = world.meant(sample.sent)
    assert thing is not None
    others = [one for one in world.things if one is not thing]
    if sample.amodal_bbox is None:
        others = [one for one in others if one.alone]
    hidden = facts.hidden_sides(sample.bbox, sample.amodal_bbox)
    wrong = [one for one in others if one.name not in {*sample.occluders, *thing.behind}] or others
    sent = sample.sent if sample.sent.startswith("the ") else f"the {sample.sent}"
    values = {
        "sent": sent,
        "name": thing.category,
        "colour": thing.colour,
        "neighbour": f"the {_nearest(thing, others).name}",
        "occluder": f"the {sample.occluders[0] if sample.occluders else others[0].name}",
        "side": hidden[0] if hidden else "left",
        "wrong_side": rng.choice([side for side in SIDES if side not in hidden]),
        "wrong_occluder": f"the {rng.choice(wrong).name}",
        "other": f"the {rng.choice(wrong).name}",
        "percent": str(rng.randint(5, 95)),
        **dict(zip(("x1", "y1", "x2", "y2"), _thousandths(sample), strict=True)),
        **dict(zip(("px1", "py1", "px2", "py2"), (str(round(value)) for value in _box(sample)), strict=True)),
        "w": str(round(_box(sample)[2] - _box(sample)[0])),
        "h": str(round(_box(sample)[3] - _box(sample)[1])),
    }
    text = wording.trace
    for slot, value in values.items():
        text = text.replace(f"{{{slot}}}", value)
    # Some write "the {other}", and the slot has its article already.
    return _ARTICLES.sub(r"\1 ", text)


def _nearest(thing: Thing, others: Sequence[Thing]) -> Thing:
    def centre(box: Sequence[float]) -> complex:
        return complex(box[0] + box[2], box[1] + box[3]) / 2

    return min(others, key=lambda one: abs(centre(one.visible) - centre(thing.visible)))


def _box(sample: Sample) -> tuple[float, float, float, float]:
    box = sample.amodal_bbox or sample.bbox
    assert box is not None
    return box


def _thousandths(sample: Sample) -> tuple[str, ...]:
    x0, y0, x1, y1 = _box(sample)
    across, down = 1000 / sample.width, 1000 / sample.height
    return tuple(str(round(value)) for value in (x0 * across, y0 * down, x1 * across, y1 * down))

"""Verification by a verifier that errs: what was kept, beside what it said, and how often that was wrong."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from proof_models import Verifier
from proof_table import Found, interval
from proof_worlds import Thing, World, world_of

from egm_core.boxes import iou
from egm_core.curate.verify.hits import LEAST_IOU, SEEDS
from egm_core.sample import Sample, read_samples, write_samples

# Of so many samples one gets a copy with another object's expression.
WRONG_IN = 3


@dataclass(frozen=True)
class Expressed:
    """A sample to verify, and whether its expression is true of its object."""

    sample: Sample
    true: bool


def write_expressions(samples: Sequence[Sample], worlds: dict[str, World], out: Path, seed: int) -> list[Expressed]:
    """Write samples, and among them copies whose expression is another object's."""
    rng = random.Random(seed)
    found: list[Expressed] = []
    for number, sample in enumerate(samples):
        found.append(Expressed(sample, True))
        world = world_of(worlds, sample)
        others = [one for one in world.things if sample.sent not in one.sents]
        if number % WRONG_IN == 0 and others:
            found.append(Expressed(replace(sample, sent=rng.choice(others).sents[0]), False))
    write_samples(out, (one.sample for one in found))
    return found


def compare(
    expressed: Sequence[Expressed], kept: Path, worlds: dict[str, World], verifier: Verifier, found: Found
) -> None:
    """Add the rates of both kinds to the table, and whether the command did what the verifier said."""
    passed = {_name(one) for one in read_samples(kept)}
    counts = {(kind, true): [0, 0] for kind in ("fits", "hits") for true in (True, False)}
    differing = 0
    for one in expressed:
        fits, hits = said(one.sample, worlds, verifier)
        for kind, says in (("fits", fits), ("hits", hits)):
            counts[kind, one.true][0] += says
            counts[kind, one.true][1] += 1
        differing += (fits and hits) != (_name(one.sample) in passed)
    for kind, errors in (("fits", [errs for _, errs in verifier.fits.values()]),
                         ("hits", [errs for _, errs in verifier.hits.values()])):  # fmt: skip
        found.say(
            f"verification, {kind}",
            f"true expressions pass {interval(*counts[kind, True])}, wrong ones {interval(*counts[kind, False])}; the "
            f"verifier errs in {sum(errors)} of {len(errors)} judgements ({sum(errors) / max(1, len(errors)):.1%})",
        )
        found.figures[f"verify_{kind}"] = {
            "true": counts[kind, True], "wrong": counts[kind, False], "errors": sum(errors), "judgements": len(errors)
        }  # fmt: skip
    found.say("kept by both kinds", f"{len(passed)} of {len(expressed)}; {differing} not as the verifier said",
              not differing)  # fmt: skip


def said(sample: Sample, worlds: dict[str, World], verifier: Verifier) -> tuple[bool, bool]:
    """Give what both kinds have to say of a sample by what the verifier answered."""
    world = world_of(worlds, sample)
    thing = max(world.things, key=lambda one: float(iou(one.visible, sample.bbox)))
    fits, _ = verifier.fits.get((world.stem, thing.name, sample.sent), (False, False))
    pointed = [verifier.hits.get((world.stem, sample.sent, seed)) for seed in SEEDS]
    return fits, all(one is not None and _hit(one[0], thing, world) for one in pointed)


def _hit(pointed: Thing, thing: Thing, world: World) -> bool:
    mine = float(iou(pointed.visible, thing.visible))
    return mine >= LEAST_IOU and not any(
        float(iou(pointed.visible, one.visible)) > mine for one in world.things if one is not thing
    )


def _name(sample: Sample) -> tuple[Any, ...]:
    return Path(sample.image).name, sample.sent, tuple(round(value, 1) for value in sample.bbox or ())

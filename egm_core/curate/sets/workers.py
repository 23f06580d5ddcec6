"""The steps that ask a teacher, as this folder's sets use them: what reads one sample file and writes another."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egm_core.curate import provenance
from egm_core.curate.sets.steps import UNANSWERED, Step, Work


@dataclass(frozen=True)
class Worker:
    """One such step: its work, and what its result depends on beside the samples (prompt, teacher, sampling)."""

    work: Work
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Workers:
    """Writing expressions, verifying them, and reasoning about amodal boxes."""

    express: Worker
    verify: Worker
    reason: Worker


EXPRESSED, VERIFIED, REASONED = "expressed", "verified", "reasoned"


def steps(workers: Workers, reasoned: bool) -> list[Step]:
    """Give the steps that ask, in their order; each writes a file of its own name."""
    asked = [(EXPRESSED, workers.express), (VERIFIED, workers.verify)]
    asked += [(REASONED, workers.reason)] if reasoned else []
    return [Step(name, f"{name}.jsonl", with_sidecars(one.work), dict(one.about)) for name, one in asked]


def with_sidecars(work: Work) -> Work:
    """Do a step's work, and count its failures and the models that answered, from the files beside its samples."""

    def done(source: Path, out: Path) -> Mapping[str, Any]:
        return {**work(source, out), **told_beside(out)}

    return done


def told_beside(samples: Path) -> dict[str, Any]:
    """Count what the files beside a sample file tell: models, terms, prompts, and failures by step."""
    told: dict[str, Any] = {}
    if (file := provenance.beside(samples)).is_file():
        for one in provenance.read(file):
            # A second model, or a judge, names itself in its verdict.
            others = [said for said in one.verdicts.values() if isinstance(said, dict) and "model" in said]
            of_record = {
                "models": {one.model, *(said["model"] for said in others)},
                "terms": {one.terms, *(said["terms"] for said in others)},
                "prompts": {one.prompt},
            }
            for name, values in of_record.items():
                counts = told.setdefault(name, {})
                for value in sorted(values):
                    counts[value] = counts.get(value, 0) + 1
    if (file := provenance.beside(samples, "failures")).is_file():
        steps = [json.loads(line)["step"] for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        told["failures"], told[UNANSWERED] = len(steps), sum(steps.count(step) for step in provenance.NO_ANSWER)
    return told

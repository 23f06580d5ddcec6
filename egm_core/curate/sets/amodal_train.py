"""The amodal training set: COCO-Amodal's training pictures and TAO-Amodal's frames, expressions, verdicts, reasoning.

The paper has 23,698 samples on 15,798 images and does not tell how objects were chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from egm_core.curate import provenance
from egm_core.curate.reason.rates import caught
from egm_core.curate.sets.excluded import Excluded
from egm_core.curate.sets.filters import Filters
from egm_core.curate.sets.sources import Source, objects
from egm_core.curate.sets.steps import UNANSWERED, Chain, Step
from egm_core.curate.sets.workers import Workers, steps
from egm_core.curate.verify import rates
from egm_core.data.convert import MISSING_SHARE
from egm_core.evaluate.paper.training import TABLE_3
from egm_core.evaluate.samples.growth import digest
from egm_core.sample import Sample, write_samples

PAPER = TABLE_3["amodal grounding"]
OBJECTS = "objects"
UNSTATED = "unknown: no record states it"
NEIGHBOURS = "neighbours.jsonl"
STEPS = (OBJECTS, "expressed", "verified", "reasoned")


def chain(folder: Path, objects: Step, workers: Workers) -> Chain:
    """Give the steps of the set in a folder, from that of its objects on."""
    return Chain(folder, [objects, *steps(workers, reasoned=True)])


def first(
    sources: Sequence[Source], filters: Filters, excluded: Excluded, missing_share: float = MISSING_SHARE
) -> Step:
    """Give the step that reads the data sets' files, which asks nobody."""

    def work(source: Path, out: Path) -> Mapping[str, Any]:
        found = objects(sources, filters, excluded, missing_share)
        if not found.samples:
            told = "; ".join(f"{why} ({count:,})" for one in found.left_out.values() for why, count in one.items())
            raise ValueError(f"no object passes; left out: {told or 'nothing, for the files are empty'}")
        write_samples(out, found.samples)
        # A phrase has to tell its object from all others of the picture, not from those alone that are asked for.
        write_samples(out.with_name(NEIGHBOURS), found.neighbours)
        return {"left_out": found.left_out, "notes": list(found.notes), "licences": licences(found.samples)}

    return Step(OBJECTS, f"{OBJECTS}.jsonl", work, options(sources, filters, excluded))


def options(sources: Sequence[Source], filters: Filters, excluded: Excluded) -> dict[str, Any]:
    """Tell what the choice of objects depends on."""
    files = {f"{source.name} {file.name}": digest(file) for source in sources for file in source.files}
    images = {source.name: str(source.images) for source in sources}
    names = "\n".join(sorted(excluded.keys))
    kept_out = {"files": dict(excluded.files), "keys": sha256(names.encode()).hexdigest()}
    return {"files": files, "images": images, "filters": asdict(filters), "kept_out": kept_out}


def licences(samples: Sequence[Sample]) -> dict[str, str]:
    """Give the licence of each data set, as its records state it; files in its layout may be somebody's own."""
    told: dict[str, set[str]] = {}
    for sample in samples:
        told.setdefault(sample.source, set()).add(sample.licence or UNSTATED)
    return {name: "; ".join(sorted(words)) for name, words in sorted(told.items())}


def empty(chain: Chain) -> str:
    """Name the first step that let no sample pass; empty where there is none, or where questions are still to ask."""
    record = chain.record
    if any(one.get(UNANSWERED) for one in record.values()):
        return ""
    return next((name for name, one in record.items() if not one["samples"]), "")


def table(record: Mapping[str, Any], paper: tuple[int, int]) -> str:
    """Print what each step kept, in all and by data set, beside the paper's counts."""
    lines = ["step | samples | images | by data set"]
    for name, told in record.items():
        by_source = ", ".join(
            f"{source} {one['samples']:,} on {one['images']:,}" for source, one in told["by_source"].items()
        )
        lines.append(f"{name} | {told['samples']:,} | {told['images']:,} | {by_source}")
    lines.append(f"paper | {paper[0]:,} | {paper[1]:,} | its choice of objects is not told")
    if record:
        last = list(record.values())[-1]
        lines.append(f"difference | {last['samples'] - paper[0]:+,} | {last['images'] - paper[1]:+,} | ")
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                     for row in rows)  # fmt: skip


def losses(chain: Chain) -> list[str]:
    """Say by step what did not pass and why: objects that were left out, and what the teacher's steps took."""
    record, told = chain.record, []
    for source, reasons in record.get(OBJECTS, {}).get("left_out", {}).items():
        told += [f"{source}: left out {count:,}: {why}" for why, count in sorted(reasons.items(), key=lambda r: -r[1])]
    before: Mapping[str, Any] | None = None
    for name, one in record.items():
        if before is not None:
            lost = before["samples"] - one["samples"]
            share = 100 * lost / max(before["samples"], 1)
            failures = f"; {one['failures']:,} are in {name}.failures.jsonl" if one.get("failures") else ""
            told.append(f"{name}: {lost:,} of {before['samples']:,} did not pass ({share:.1f} %){failures}")
            told += [f"  {line}" for line in provenance.reasons(chain.path(name))]
            if "hits" in (verification := one.get("verification", {})):
                told += rates.table(verification).splitlines()
            told += caught(one.get("rates", {}))
        before = one
    return told

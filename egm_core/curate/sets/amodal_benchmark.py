"""The amodal benchmark: COCO-Amodal's val and test pictures, expressions, verdicts, and a set that can be checked.

The paper has 11,261 samples on 2,474 images, and has not released them.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from egm_core.curate import provenance
from egm_core.curate.prompts import load
from egm_core.curate.sets import manifest
from egm_core.curate.sets.amodal_train import OBJECTS
from egm_core.curate.sets.steps import Chain, Step
from egm_core.curate.sets.workers import Workers, steps
from egm_core.data.writers.writer import Placed
from egm_core.evaluate.paper.amodal import IMAGES, SAMPLES
from egm_core.pictures.reference import split
from egm_core.sample import Sample, read_samples, write_samples

PAPER = (SAMPLES, IMAGES)
STEPS = (OBJECTS, "expressed", "verified")
# The set itself lies in a folder of its own below that of the steps.
SET, FILE = "set", "amodal_benchmark.jsonl"
PROMPTS = {"expressed": "express", "verified": "verify"}


def chain(folder: Path, objects: Step, workers: Workers) -> Chain:
    """Give the steps of the benchmark in a folder, from that of its objects on."""
    return Chain(folder, [objects, *steps(workers, reasoned=False)])


def pack(made: Chain, version: str, copy_pictures: bool, filters: Mapping[str, Any]) -> Path:
    """Write the verified samples as a set with a manifest; gives its folder.

    Pictures go by their names in the data set, and are looked for below `--images`; with `copy_pictures` they lie in
    the set. The same samples give the same files, whenever and wherever they are packed.
    """
    target = made.folder / f"{SET}.part"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    verified = made.path("verified")
    samples = list(read_samples(verified))
    if not samples:
        raise ValueError(f"{verified} holds no sample: nothing passed the verification")
    placed = Placed(target, copy=True) if copy_pictures else None
    write_samples(target / FILE, (_named(sample, target, placed) for sample in samples))
    names = [FILE]
    beside = provenance.beside(verified)
    if beside.is_file():
        names.append(provenance.beside(Path(FILE)).name)
        shutil.copyfile(beside, target / names[-1])
    if placed:
        names += [path.relative_to(target).as_posix() for path in target.rglob("*") if path.parent != target]
    manifest.write(target, _about(made, version, filters, samples), names)
    shutil.rmtree(made.folder / SET, ignore_errors=True)
    return target.rename(made.folder / SET)


def _named(sample: Sample, target: Path, placed: Placed | None) -> Sample:
    if placed:
        return replace(sample, image=str(target.absolute() / placed.name(sample)))
    path, kind, inside = split(sample.image)
    # Where this machine keeps its pictures is nobody's business, and would not be there.
    return replace(sample, image=str(target.absolute() / PurePosixPath(inside if kind else path).name))


def _about(made: Chain, version: str, filters: Mapping[str, Any], samples: Sequence[Sample]) -> dict[str, Any]:
    record = made.record
    asked = [one for one in record.values() if "models" in one]
    return {
        "name": "amodal benchmark",
        "version": version,
        "made": time.strftime("%Y-%m-%d", time.gmtime()),
        "samples_file": FILE,
        "counts": {
            "samples": len(samples),
            "images": len({sample.image for sample in samples}),
            "by_source": record["verified"]["by_source"],
        },
        "paper": {"samples": SAMPLES, "images": IMAGES},
        "sources": record[OBJECTS]["made_with"]["options"]["files"],
        "licences": record[OBJECTS]["licences"],
        "filters": dict(filters),
        "verification": record["verified"].get("verification", {}),
        "steps": {name: {key: one[key] for key in one if key != "made_with"} for name, one in record.items()},
        "prompts": {name: _prompt(PROMPTS[name], one.get("prompts", {})) for name, one in record.items()
                    if name in PROMPTS},
        "teachers": sorted({model for one in asked for model in one["models"] if model}),
        "terms": sorted({terms for one in asked for terms in one.get("terms", ()) if terms}),
    }  # fmt: skip


def _prompt(name: str, used: Mapping[str, int]) -> dict[str, Any]:
    """Name the prompts that a step's records tell, with the hash of the current one's text."""
    prompt = load(name)
    labels = sorted(used) or [prompt.label]
    return {"labels": labels, "newest": prompt.label, "sha256": hashlib.sha256(prompt.text.encode()).hexdigest()}

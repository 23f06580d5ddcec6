"""What a sheet shows: a seeded choice of the texts of a sample file, each with boxes and verdicts."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from egm_core.boxes import Box
from egm_core.curate import provenance
from egm_core.sample import Sample, read_samples


@dataclass(frozen=True)
class Item:
    """One text to be judged: of which picture and object, and what was said of it before."""

    key: str
    picture: str
    size: tuple[int, int]
    expression: str
    task: str
    text: str
    visible: Box | None
    amodal: Box | None
    told: dict[str, Any]


def items(path: Path) -> list[Item]:
    """List the texts of a sample file, in its order; those of a file without reasoning are its expressions."""
    samples = list(read_samples(path))
    known = provenance.of_records(path, len(samples))
    origins: Sequence[provenance.Provenance | None] = known if known is not None else [None] * len(samples)
    found = [item for sample, origin in zip(samples, origins, strict=True) for item in _texts(sample, origin)]
    if not found:
        raise ValueError(f"{path}: the file holds no sample")
    return list(_told_apart(found))


def _told_apart(found: Iterable[Item]) -> Iterator[Item]:
    """Give items of the same words a key each: a judgement of one box is none of another."""
    seen: Counter[str] = Counter()
    for item in found:
        turn = seen[item.key]
        seen[item.key] += 1
        yield replace(item, key=blake2b(f"{item.key} {turn}".encode(), digest_size=8).hexdigest()) if turn else item


def chosen(found: Sequence[Item], count: int, seed: int) -> list[Item]:
    """Draw items without replacement; the same seed gives the same ones, in the same order."""
    return random.Random(seed).sample(list(found), min(count, len(found)))


def sheet_key(drawn: Iterable[Item]) -> str:
    """Give the name under which a browser keeps the judgements of a sheet."""
    return blake2b("\n".join(item.key for item in drawn).encode(), digest_size=8).hexdigest()


def _texts(sample: Sample, origin: provenance.Provenance | None) -> list[Item]:
    texts = [("visible", sample.reasoning), ("amodal", sample.amodal_reasoning)]
    # A text that was in the input, and that this teacher did not write, is not judged.
    asked = origin.task if origin else ""
    given = [(task, text) for task, text in texts if text and asked in ("", task)] or [(sample.task, "")]
    told: dict[str, Any] = {}
    if origin and origin.task in ("", *(task for task, _ in given)):
        told = {"teacher": origin.model, "prompt": origin.prompt, **origin.answer, **origin.verdicts}
    return [
        Item(
            key=blake2b(f"{sample.picture}|{sample.sent}|{task}|{text}".encode(), digest_size=8).hexdigest(),
            picture=sample.picture,
            size=(sample.width, sample.height),
            expression=sample.sent,
            task=task,
            text=text,
            visible=sample.bbox,
            amodal=sample.amodal_bbox,
            told=told,
        )
        for task, text in given
    ]

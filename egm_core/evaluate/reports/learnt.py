"""Says where figures are of what models are trained on: scenes of training's seeds, samples of a training split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from egm_core.data.picture_key import inner_name
from egm_core.models.folder import EMBEDDED
from egm_core.sample.worlds import generated
from egm_core.scenes.files.names import seed_of
from egm_core.scenes.truth import EVALUATION_FIRST_SEED as FLOOR

_SEEDS = f"seeds below {FLOOR:,}"
_KNOWN = f"{EMBEDDED} and other models that were trained on generated scenes know them, and their figures are too good"
SCENES = f"make scenes by `egm scenes export --first-seed {FLOOR}`"
SAMPLES = "evaluate the data set's val or test split"


def of_seeds(first: int, count: int) -> list[str]:
    """Say how many scenes have seeds that training and calibration take; nothing where none has."""
    learnt = min(count, FLOOR - first)
    if learnt <= 0:
        return []
    return [
        f"{learnt:,} of {count:,} scenes have {_SEEDS}, which training and calibration take: {_KNOWN}; take "
        f"--first-seed {FLOOR}"
    ]


def of_samples(rows: Iterable[tuple[str, str, str]]) -> list[str]:
    """Say how many questions are about samples of a training split, each a data set, a split and a picture.

    Those of generated scenes are known by their picture's name where no split is told.
    """
    found: Counter[str] = Counter()
    whole, scenes = 0, 0
    for source, split, image in rows:
        whole += 1
        seed = None if split else seed_of(inner_name(image))
        if split.lower().startswith("train") or (seed is not None and seed < FLOOR):
            found[" ".join(filter(None, (source, split))) or f"scenes of {_SEEDS}"] += 1
            scenes += seed is not None or generated(source)
    if not found:
        return []
    names = ", ".join(f"{name} {count:,}" for name, count in found.items())
    count = sum(found.values())
    about = [f"{EMBEDDED} was on generated scenes of {_SEEDS}"] * (scenes > 0)
    known = f"a model that was trained on them{''.join(f', as {one},' for one in about)} scores too well"
    remedies = [SCENES] * (scenes > 0) + [SAMPLES] * (scenes < count)
    return [f"{count:,} of {whole:,} questions are of a training split ({names}): {known}; {', or '.join(remedies)}"]


def of_result(data: Mapping[str, Any]) -> list[str]:
    """Say the same of a stored result, also of an earlier version's, which does not say it itself."""
    if data.get("of") != "samples" and isinstance(data.get("first_seed"), int):
        count = data.get("scenes")
        return of_seeds(data["first_seed"], count) if isinstance(count, int) else []
    return of_rows(data["rows"])


def of_rows(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say it of the stored rows of samples."""

    def text(row: Mapping[str, Any], name: str) -> str:
        return str(row.get(name) or "")

    return of_samples((text(row, "dataset"), text(row, "split"), text(row, "image")) for row in rows)

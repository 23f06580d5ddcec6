"""Whether answers come from the model that was asked: servers and routers say in each answer which one gave it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from egm_core.asking.job import Answer

# What may follow a model's name in an answer: a date, a version, where it stands.
_MORE = re.compile(r"[-@:](v?\d[\w.-]*|latest|preview[\w.-]*|exp[\w.-]*|free|instruct)")


def models_of(answers: Iterable[Answer]) -> dict[str, int]:
    """Count answers by the model that each names; those that name none, and failures, do not count."""
    return dict(Counter(answer.model for answer in answers if answer.model and not answer.error).most_common())


def strangers(asked: str, models: Mapping[str, int]) -> dict[str, int]:
    """Give those of the models that are another one than was asked for, by their names."""
    return {model: count for model, count in models.items() if not _same(asked, model)}


def _same(one: str, other: str) -> bool:
    short, long = sorted((_bare(one), _bare(other)), key=len)
    return long.startswith(short) and (len(long) == len(short) or bool(_MORE.fullmatch(long[len(short) :])))


def _bare(name: str) -> str:
    return name.strip().rstrip("/").rsplit("/", 1)[-1].lower()

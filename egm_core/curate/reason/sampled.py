"""A seeded choice of a file's samples to ask about; the others stay neighbours of those."""

from __future__ import annotations

import random
from collections.abc import Sequence

from egm_core.curate.reason.questions import has_question
from egm_core.families import Task
from egm_core.sample import Sample


def sampled(samples: Sequence[Sample], task: Task, count: int | None, seed: int) -> frozenset[int] | None:
    """Draw the numbers of samples with a question; None where all are meant."""
    if count is None:
        return None
    able = [number for number, sample in enumerate(samples) if has_question(sample, task)]
    return frozenset(random.Random(seed).sample(able, min(count, len(able))))

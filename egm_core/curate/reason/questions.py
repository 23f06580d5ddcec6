"""What is asked about samples: how to find the object, with its box drawn on a copy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace

from egm_core.asking.job import Job
from egm_core.curate.pictures import asked, frame_colour, framed
from egm_core.curate.prompts import Prompt, load
from egm_core.curate.rules import facts
from egm_core.curate.rules.facts import Facts
from egm_core.engines.base import Sampling
from egm_core.families import Task
from egm_core.sample import Sample


@dataclass(frozen=True)
class Question:
    """One sample to be reasoned about: its number in the file, what its trace is held against, and the job."""

    number: int
    sample: Sample
    facts: Facts
    prompt: Prompt
    job: Job


@dataclass(frozen=True)
class Asking:
    """How questions are made: for which task, of which model, and how its answers are drawn.

    `apart_from` are colours that no frame may have, so that a second run has another one. `retries` is how often an
    answer that fails by its form is asked for anew.
    """

    task: Task
    model: str
    sampling: Sampling
    apart_from: tuple[str, ...] = ()
    retries: int = 0

    @property
    def prompt(self) -> Prompt:
        """The prompt of the task."""
        return load(f"reason_{self.task}")


def questions(
    samples: Sequence[Sample], asking: Asking, only: Set[int] | None = None, others: Iterable[Sample] = ()
) -> Iterator[Question]:
    """Make the question of each sample that has the task's box; the others have nothing to draw.

    `only` are the numbers of the samples that are asked about, None for all; the others are their neighbours, and so
    are `others`, which are no samples: objects of the pictures that a trace may speak of.
    """
    neighbours = together((*samples, *others))
    for number, sample in enumerate(samples):
        if has_question(sample, asking.task) and (only is None or number in only):
            yield question(number, sample, neighbours[sample.picture], asking)


def together(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Give the samples of each picture."""
    found: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        found[sample.picture].append(sample)
    return found


def has_question(sample: Sample, task: Task) -> bool:
    """Tell whether a sample has a box of the task to reason about."""
    return sample.asks(task) and sample.truth(task) is not None


def question(number: int, sample: Sample, neighbours: Sequence[Sample], asking: Asking) -> Question:
    """Make one sample's question."""
    box = sample.truth(asking.task)
    assert box is not None
    known = facts.of(sample, neighbours, asking.task)
    said = (known.expression, known.category, *known.occluders, *known.others)
    colour = frame_colour(said, asking.apart_from)
    text = asking.prompt.render(expression=sample.sent, colour=colour)
    copy = framed(sample.picture, box, colour, (sample.width, sample.height))
    job = asked(asking.prompt, text, [sample.picture, copy], asking.sampling, asking.model)
    return Question(number, sample, replace(known, frame_colour=colour), asking.prompt, job)

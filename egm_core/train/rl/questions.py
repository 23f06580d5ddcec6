"""The questions that reinforcement learning asks and rewards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from egm_core.boxes import to_relative
from egm_core.families import TASKS, Family, Task
from egm_core.models.folder import ModelInfo
from egm_core.sample import Sample
from egm_core.train.data.check import Checking
from egm_core.train.data.special_tokens import special_tokens
from egm_core.train.rl.config import PLACEHOLDERS, RLConfig


def questions(
    samples: Iterable[Sample],
    speaker: Family,
    tasks: list[str],
    whole: bool = False,
    ask: Callable[[str, Task], str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Turn samples into the rows that GRPO asks and rewards: one per sample and task that it has a truth for.

    `truth` is the box in the family's frame, rounded to whole numbers if `whole`, and None for an absent object;
    `ask` words the prompt where a model has its own words (default: the family's).
    """
    for sample in samples:
        for task in TASKS:
            if task not in tasks or not sample.asks(task):
                continue
            box = sample.truth(task)
            if box is not None:
                box = to_relative(box, sample.width, sample.height)
                if whole:
                    x0, y0, x1, y1 = map(round, box)
                    box = (float(x0), float(y0), float(x1), float(y1))
            yield {
                "prompt": [{"role": "user", "content": (ask or speaker.prompt)(sample.sent, task)}],
                "image": sample.picture,
                "file": sample.picture,
                "truth": None if box is None else list(box),
                "width": sample.width,
                "height": sample.height,
                "task": task,
            }


def checking(config: RLConfig, info: ModelInfo, model: Path | None) -> Checking:
    """Say what the data of a run are checked for; `model` is the folder whose tokenizer tells the special tokens."""
    own = PLACEHOLDERS if config.engine == "verl" else ()
    return Checking(
        _files(config),
        tuple(config.tasks),
        info.speaker,
        special_tokens(info.family, model) | frozenset(own),
        tolerate=config.tolerate,
        missing_share=config.missing_share,
        seed=config.seed,
    )


def _files(config: RLConfig) -> tuple[Path, ...]:
    return tuple(Path(file) for file in config.data)

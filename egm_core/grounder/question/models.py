"""Who answers: the engine of each task, what is known of its model, and what the model was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from egm_core.engines.base import Engine
from egm_core.families import Task
from egm_core.families.thinking import Thinking
from egm_core.grounder.decision import Curves, Replies
from egm_core.grounder.reconsider import carried_curve
from egm_core.models import calibration
from egm_core.models.domain import Domain
from egm_core.models.folder import ModelInfo


@dataclass(frozen=True)
class Models:
    """What answers each task; `adapters` are those of an engine that answer one, `domains` what models were trained on.

    Models that do not tell what they were trained on have no domain.
    """

    tasks: tuple[Task, ...]
    engines: Mapping[Task, Engine]
    infos: dict[Task, ModelInfo]
    adapters: Mapping[Task, str]
    domains: Mapping[Task, tuple[Path, Domain]]

    def thinking(self, task: Task) -> Thinking:
        """Tell how the answers to a task begin: as the folder says, else the engine, else the family's own template."""
        info = self.infos[task]
        return info.thinking or self.engines[task].thinking() or info.speaker.thinking

    @property
    def tells_domain(self) -> bool:
        """Tell whether the model of visible boxes tells what it was trained on."""
        return "visible" in self.domains

    def knows(self, task: Task, words: str) -> bool:
        """Tell whether a task's model was trained on all of these words, as far as it tells."""
        return task not in self.domains or not self.domains[task][1].unknown_words(words)

    def foreign(self, image: NDArray[np.uint8], words: str) -> dict[Task, tuple[str, ...]]:
        """Say for each task what its model was not trained on; one model looks at a picture once."""
        told: dict[Path, tuple[str, ...]] = {}
        for path, domain in self.domains.values():
            if path not in told:
                told[path] = domain.warnings(image, words)
        return {task: told[path] for task, (path, _) in self.domains.items()}

    def curves(self, replies: Replies) -> Curves:
        """Give the curves of these replies' scores, each for its task and for how the answer came about."""
        found: dict[Task, calibration.Curve] = {}
        for task, reply in replies.items():
            info, engine = self.infos[task], self.engines[task].kind()
            if reply.carried:
                curve = carried_curve(info, engine)
            else:
                curve = calibration.curve_for(info.path, engine, task, reply.thinking)
            if curve is not None:
                found[task] = curve
        return found


def domains_of(infos: Mapping[Task, ModelInfo], tasks: tuple[Task, ...]) -> dict[Task, tuple[Path, Domain]]:
    """Load what the models of these tasks were trained on, where their folders tell it."""
    return {task: (path, Domain.load(path)) for task in tasks if (path := infos[task].domain_path)}

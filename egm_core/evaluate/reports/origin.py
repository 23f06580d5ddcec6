"""Where scores come from: which engine, weights and scenes; fitting and judging a calibration need different ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from egm_core.evaluate.results import Answered, read
from egm_core.families import TASKS, Task
from egm_core.models.calibration import Curve, curve_for, note, weights_digest
from egm_core.scenes.truth import EVALUATION_FIRST_SEED

CALIBRATION_FIRST_SEED = 400_000_000


@dataclass(frozen=True)
class Origin:
    """The engine that gave scores, the scenes that they are about, and whether the model was free to think.

    `last_seed` is the largest that was answered about, where that is known: joined results have more than their number
    of scenes tells.
    """

    engine: str
    first_seed: int
    scenes: int
    reasoning: bool = True
    last_seed: int = 0

    def check(self) -> None:
        """Make sure that a calibration may be fitted: to no scenes of training or evaluation (ValueError)."""
        last = max(self.first_seed + self.scenes - 1, self.last_seed)
        if not CALIBRATION_FIRST_SEED <= self.first_seed <= last < EVALUATION_FIRST_SEED:
            raise ValueError(
                f"seeds {self.first_seed} to {last} can't be fitted to: lower ones are trained on, and from "
                f"{EVALUATION_FIRST_SEED} on they are for evaluation; take --first-seed {CALIBRATION_FIRST_SEED}"
            )
        if not self.engine:
            raise ValueError("the server doesn't say what program it is, so its scores can't be calibrated")

    def curves(self, folder: Path) -> dict[Task, Curve]:
        """Give the curves that hold for the engine and a folder's weights; ValueError where there are none."""
        if reason := note(folder, self.engine, self.reasoning):
            raise ValueError(reason)
        found = {task: curve_for(folder, self.engine, task, self.reasoning) for task in TASKS}
        return {task: curve for task, curve in found.items() if curve is not None}


def stored(path: Path, folder: Path) -> tuple[Origin, Sequence[Answered]]:
    """Read a stored result of the weights in a folder; ValueError for one of others, or without scores."""
    result = read(path.stem, path)
    about, digest = result.about, weights_digest(folder)
    if result.of_samples:
        raise ValueError(f"{path} is about samples, and scores are judged on scenes: give what `scenes --json` wrote")
    if about["weights_sha256"] != digest or not about["engine"]:
        raise ValueError(f"{path} was not made with the weights in {folder}: evaluate them again with --json")
    seeds = [answer.seed for answer in result.answers]
    origin = Origin(
        str(about["engine"]),
        min(int(about["first_seed"]), *seeds),
        int(about["scenes"]),
        bool(about["reasoning"]),
        max(seeds),
    )
    return origin, result.answers

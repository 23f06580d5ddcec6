"""The answers of reinforcement learning, kept while it runs: what was asked, said and earned, and how it looks.

A run's folder gets `answers.jsonl`, a sample of every step's answers, and `answers/step-<n>.png` at every logged step:
the true box solid, the answered one dashed. All answers of a logged step are in `completions/` (TRL's tables, which go
to Weights & Biases too where `report_to` names it).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from transformers import TrainerCallback

from egm_core.boxes import Box, to_pixels
from egm_core.families import Family
from egm_core.pictures.draw import draw, mounted
from egm_core.pictures.source import read
from egm_core.thought_price import answer_text
from egm_core.train.run.callbacks import keep_until
from egm_core.train.run.folder import is_first

ANSWERS, PICTURES = "answers.jsonl", "answers"
COLUMNS = 4
TILE = 420


class AnswerLog(TrainerCallback):
    """Writes some answers of each step; `trainer` is TRL's, which gathers them from all processes."""

    def __init__(self, trainer: Any, folder: Path, count: int, speaker: Family) -> None:
        self.trainer, self.folder, self.count, self.speaker = trainer, folder, count, speaker

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Drop the answers after the step that is resumed from: their steps will come again."""
        if is_first():
            keep_until(self.folder / ANSWERS, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Append a sample of the step's answers, spread over its prompts."""
        if not is_first() or not self.count:
            return
        rows = sampled(self.trainer._logs, state.global_step, self.count)
        with open(self.folder / ANSWERS, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False, default=float) + "\n" for row in rows)
        if rows and state.global_step % max(1, int(state.logging_steps)) == 0:
            folder = self.folder / PICTURES
            folder.mkdir(exist_ok=True)
            sheet = mounted([_tile(row, self.speaker) for row in rows], COLUMNS)
            cv2.imwrite(str(folder / f"step-{state.global_step:06d}.png"), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def sampled(logs: Any, step: int, count: int) -> list[dict[str, Any]]:
    """Give up to `count` of the answers that TRL's trainer holds, spread evenly, as plain records."""
    whole = len(logs["completion"])
    chosen = sorted(set(np.linspace(0, whole - 1, min(count, whole)).round().astype(int).tolist()))
    rewards, extra = logs["rewards"], logs["extra"]
    return [
        {
            "step": step,
            "prompt": answer_text(logs["prompt"][i]),
            "answer": answer_text(logs["completion"][i]),
            **{name: values[i] for name, values in extra.items()},
            "reward": sum(float(values[i]) for values in rewards.values()),
            "advantage": float(logs["advantages"][i]),
        }
        for i in chosen
    ]


def _tile(row: dict[str, Any], speaker: Family) -> NDArray[np.uint8]:
    image = read(row["file"], trusted=True)
    scale = TILE / max(image.shape[:2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    said = speaker.parse(row["answer"], "paper").box

    def placed(box: Any) -> Box | None:
        return None if box is None else to_pixels(tuple(box), *size, speaker.frame)

    label = f"{row['reward']:.2f} {row['strict']}: {row['prompt']}"
    return draw(small, placed(row["truth"]), placed(said), label, scale=0.8)

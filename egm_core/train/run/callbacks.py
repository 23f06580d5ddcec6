"""What watches over a running trainer: metrics, marks on checkpoints, a stop on request, a stop at NaN.

The classes are transformers' callbacks, and `Watched`, which goes before a Trainer among a class's bases.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as distributed
from safetensors import SafetensorError

from egm_core.torchvision_shim import install_schemas

install_schemas()


from transformers import TrainerCallback  # noqa: E402 - what it imports needs the schemas

from egm_core.train.run.curves import draw  # noqa: E402
from egm_core.train.run.folder import (  # noqa: E402
    PREFIX,
    drop_torn,
    is_first,
    mark_whole,
    whole_checkpoint,
)

_log = logging.getLogger("egm.train")
METRICS = "metrics.jsonl"
BEST = "best.json"
# Half-precision arithmetic alone leaves less than a thousandth.
FIRST_KL = 0.01


class RunStopped(FloatingPointError):
    """A run stopped because a number is beyond repair; the message says which, and where its batch was saved."""


class CheckpointLost(OSError):
    """A checkpoint could not be written, as on a full disk; the message names the last whole one."""


class Limits(TrainerCallback):
    """Carries to a `Watched` trainer where to save a batch, and which KL is too much."""

    def __init__(self, folder: Path, kl_limit: float | None = None) -> None:
        self.folder, self.kl_limit = folder, kl_limit


class Watched:
    """Mixin for a Trainer: stops at a loss, gradient or KL that is not finite or too large, and saves the batch.

    Nothing has touched the weights by then. Needs `run.callbacks(...)` among the trainer's callbacks.
    """

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Compute the loss and hold it against the limits."""
        result = super().compute_loss(model, inputs, *args, **kwargs)  # type: ignore[misc]
        if not model.training:
            return result
        self._watched_inputs = inputs
        loss = float((result[0] if isinstance(result, tuple) else result).detach())
        if not math.isfinite(loss):
            self._stop(f"the loss is {loss}")
        limits = self._limits()
        divergence = (getattr(self, "_metrics", {}).get("train") or {}).get("kl") or []
        if divergence and not self.state.global_step and not divergence[-1] <= FIRST_KL:  # type: ignore[attr-defined]
            self._stop(
                f"the KL to the reference is {divergence[-1]:.3g} before the first update, where policy and reference "
                "are one model: the reference was not loaded whole (use the files of training/accelerate)"
            )
        if divergence and limits.kl_limit is not None and not divergence[-1] <= limits.kl_limit:
            self._stop(f"the KL to the reference is {divergence[-1]:.3g}, above the limit of {limits.kl_limit:g}")
        return result

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)  # type: ignore[misc]
        if norm is not None and not math.isfinite(float(norm)):
            self._stop(f"the gradient's norm is {float(norm)}")
        return norm

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        try:
            super()._save_checkpoint(*args, **kwargs)  # type: ignore[misc]
        except (OSError, RuntimeError, SafetensorError) as error:
            folder = self._limits().folder
            before = whole_checkpoint(folder)
            raise CheckpointLost(
                f"the checkpoint of step {self.state.global_step} could not be written "  # type: ignore[attr-defined]
                f"({error}; {shutil.disk_usage(folder).free / 1e9:.1f} GB free); the last whole one is "
                f"{before or 'none'}. Make room, and run the same command again"
            ) from error

    def _limits(self) -> Limits:
        handler: Any = self.callback_handler  # type: ignore[attr-defined]
        return next(c for c in handler.callbacks if isinstance(c, Limits))

    def _stop(self, reason: str) -> None:
        step = self.state.global_step + 1  # type: ignore[attr-defined]
        rank = os.environ.get("RANK", "0")
        path = self._limits().folder / f"bad-batch-step-{step}-process-{rank}.pt"
        torch.save(_on_cpu(self._watched_inputs), path)
        raise RunStopped(
            f"{reason} at step {step}; the batch is in {path} (torch.load), and the last whole checkpoint is as it "
            "was. Look for broken samples in the batch, or lower learning_rate or clip, and run the same command again"
        )


class MetricsFile(TrainerCallback):
    """Appends every logged row to `metrics.jsonl`, and draws `curves.png` when training ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Drop the rows after the step that is resumed from: their steps will come again."""
        if is_first():
            keep_until(self.folder / METRICS, state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Append a row."""
        if is_first() and logs:
            row = {"step": state.global_step, "time": round(time.time(), 1), **logs}
            with open(self.folder / METRICS, "a", encoding="utf-8") as file:
                file.write(json.dumps(row, default=float) + "\n")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Draw the curves."""
        if is_first():
            draw(self.folder)


def keep_until(path: Path, step: int) -> None:
    """Keep the rows of a metrics file up to a step, without the summaries of earlier ends and torn lines."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if row.get("step", 0) <= step and "train_runtime" not in row:
            kept.append(line + "\n")
    part = path.with_name(path.name + ".part")
    part.write_text("".join(kept), encoding="utf-8")
    os.replace(part, path)


class CheckpointMarks(TrainerCallback):
    """Marks each checkpoint as whole once every process has written its part of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Clear away torn checkpoints, and take this command's intervals rather than the checkpoint's."""
        state.save_steps, state.logging_steps = args.save_steps, args.logging_steps
        if is_first():
            drop_torn(self.folder)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Wait for all processes, then write the mark."""
        if distributed.is_initialized():
            distributed.barrier()
        if is_first():
            mark_whole(self.folder / f"{PREFIX}{state.global_step}")


class Best(TrainerCallback):
    """Saves a checkpoint with each evaluation, and writes down which of them is the best so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Have the evaluated weights saved: the best can only be kept if it was."""
        control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Name the best."""
        if is_first() and state.best_global_step:
            checkpoint = str(self.folder / f"{PREFIX}{state.best_global_step}")
            about = {"step": state.best_global_step, args.metric_for_best_model: state.best_metric}
            (self.folder / BEST).write_text(json.dumps({**about, "checkpoint": checkpoint}, indent=1) + "\n")


class Stop(TrainerCallback):
    """On SIGINT or SIGTERM, saves a checkpoint after the current step and ends training; `asked` tells that it did."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take over the signals."""
        self._before = {number: signal.signal(number, self._note) for number in self.SIGNALS}

    def _note(self, number: int, frame: Any) -> None:
        if not self.asked and is_first():
            os.write(2, b"\nstopping after this step, with a checkpoint; the same command continues the run\n")
        self.asked = True

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Agree with the other processes, that none waits for one that has stopped."""
        if distributed.is_initialized():
            flag = torch.tensor(float(self.asked), device=args.device)
            distributed.all_reduce(flag, distributed.ReduceOp.MAX)
            self.asked = bool(flag)
        if self.asked:
            control.should_save = control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Give the signals back."""
        self.give_back()

    def give_back(self) -> None:
        """Let the handlers from before have the signals again; more than once does no harm."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}


class Clock(TrainerCallback):
    """Ends training in good order when its minutes are over: with a checkpoint, as if all steps were made.

    `rang` tells that it did.
    """

    def __init__(self, minutes: float) -> None:
        self.minutes = minutes
        self.rang = False
        self._begun = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self._begun = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Agree with the other processes whether the time is over."""
        over = time.monotonic() - self._begun >= 60 * self.minutes
        if distributed.is_initialized():
            flag = torch.tensor(float(over), device=args.device)
            distributed.all_reduce(flag, distributed.ReduceOp.MAX)
            over = bool(flag)
        if over:
            if is_first() and state.global_step < state.max_steps:
                step, steps = state.global_step, state.max_steps
                _log.warning("the %g minutes are over at step %d of %d", self.minutes, step, steps)
            self.rang = control.should_save = control.should_training_stop = True


def timed_out(trainer: Any) -> bool:
    """Tell whether training ended by the clock, which is as good as its last step."""
    return any(c.rang for c in trainer.callback_handler.callbacks if isinstance(c, Clock))


def give_signals_back(trainer: Any) -> None:
    """Give the signals back however training ended: an error leaves no callback to do it."""
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, Stop):
            callback.give_back()


def stopped(trainer: Any) -> bool:
    """Tell whether training ended because it was asked to, before its last step."""
    asked = any(c.asked for c in trainer.callback_handler.callbacks if isinstance(c, Stop))
    if not asked or trainer.state.global_step >= trainer.state.max_steps:
        return False
    # The first process to leave would have the others ended, and one of them may still be writing.
    trainer.accelerator.wait_for_everyone()
    return True


def _on_cpu(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().cpu()
    if isinstance(value, dict) or hasattr(value, "items"):
        return {k: _on_cpu(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_on_cpu(v) for v in value)
    return value


def callbacks(folder: Path, kl_limit: float | None = None, minutes: float = 0.0) -> list[Any]:
    """Give the callbacks of a transformers Trainer: metrics and curves, marks on whole checkpoints, orderly stops.

    `minutes` as in `RunConfig`.

    The trainer must be a `watch.Watched` for the run to stop at NaN, or at a KL above `kl_limit`, with the batch saved.
    """
    clock = [Clock(minutes)] if minutes else []
    return [Limits(folder, kl_limit), MetricsFile(folder), CheckpointMarks(folder), Stop(), *clock]

"""Runs that are killed, stopped, out of disk or out of numbers: nothing whole is lost, the losses go on the same."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from egm_core.sample import Sample, write_samples
from egm_core.train.run.callbacks import Limits, RunStopped, Watched
from egm_core.train.run.folder import checkpoints, is_whole, whole_checkpoint
from egm_core.train.sft.config import SFTStageConfig
from egm_core.train.sft.stage import sft

STEPS = 8
PATIENCE = 600


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    samples = []
    for i in range(6):
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 256, (96, 128, 3), dtype=np.uint8))
        box = (10.0 + i, 20.0, 60.0, 90.0)
        said = "The red mug is there."
        sample = Sample(str(folder / f"{i}.png"), "the red mug", box, box, 1.0, 96, 128, said, amodal_reasoning=said)
        samples.append(sample)
    write_samples(folder / "samples.jsonl", samples)
    return folder / "samples.jsonl"


def settings(model: Path, data: Path, output: Path) -> SFTStageConfig:
    # Three steps are an epoch, so that some epochs end between checkpoints.
    return SFTStageConfig(
        model=str(model), data=[str(data)], output=str(output), learning_rate=1e-3, batch=4, max_steps=STEPS,
        save_steps=2, logging_steps=1, report_to=[],
    )  # fmt: skip


def losses(folder: Path) -> dict[int, tuple[float, float]]:
    found: dict[int, tuple[float, float]] = {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        if "loss" in row:
            assert row["step"] not in found, "a step stands twice"
            found[row["step"]] = (row["loss"], row["grad_norm"])
    return found


@pytest.fixture(scope="module")
def uninterrupted(random_qwen: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference") / "run"
    sft(settings(random_qwen, data, folder))
    assert list(losses(folder)) == list(range(1, STEPS + 1))
    return folder


def start(config: SFTStageConfig, **options: object) -> subprocess.Popen[str]:
    """Start the command line that a user would."""
    file = Path(config.output).with_suffix(".yaml")
    file.write_text(yaml.safe_dump(vars(config)))
    return subprocess.Popen(
        [sys.executable, "-m", "egm_core.train", "sft", "--config", str(file)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def wait(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None and time.monotonic() < end, process.stderr and process.stderr.read()
        time.sleep(0.002)


def rows_of(folder: Path) -> int:
    path = folder / "metrics.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def test_a_killed_run_goes_on_as_if_it_had_not_been(
    random_qwen: Path, data: Path, tmp_path: Path, uninterrupted: Path, running: list[subprocess.Popen[str]]
) -> None:
    seed = int.from_bytes(os.urandom(4))
    print("the moment's seed:", seed)
    config = settings(random_qwen, data, tmp_path / "run")
    folder = Path(config.output)
    running.append(start(config))
    moment = random.Random(seed)
    wait(running[0], lambda: rows_of(folder) >= 2 + moment.randrange(STEPS - 2))
    time.sleep(moment.random() * 0.05)
    running[0].kill()
    running[0].wait()
    last = whole_checkpoint(folder)
    # The newest folder may be torn by now; one that surely is must be passed over too.
    if last:
        torn = folder / "checkpoint-77"
        shutil.copytree(last, torn)
        os.truncate(torn / "model.safetensors", 1000)
    sft(config)
    assert losses(folder) == losses(uninterrupted)
    assert [is_whole(c) for c in checkpoints(folder)] == [True, True]
    first, second = (load_file(f / "final" / "model.safetensors") for f in (uninterrupted, folder))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_sigint_saves_and_exits_130_and_the_same_command_goes_on(
    random_qwen: Path, data: Path, tmp_path: Path, uninterrupted: Path, running: list[subprocess.Popen[str]]
) -> None:
    config = settings(random_qwen, data, tmp_path / "run")
    folder = Path(config.output)
    running.append(start(config))
    wait(running[0], lambda: rows_of(folder) >= 3)
    running[0].send_signal(signal.SIGINT)
    _, errors = running[0].communicate(timeout=PATIENCE)
    assert running[0].returncode == 130 and "the same command continues" in errors, errors
    assert not (folder / "final").exists()
    stopped = whole_checkpoint(folder)
    assert stopped and int(stopped.name.split("-")[1]) == max(losses(folder)) < STEPS
    sft(config)
    assert losses(folder) == losses(uninterrupted)


def test_a_full_disk_leaves_the_last_checkpoint_and_says_so(
    random_qwen: Path, data: Path, tmp_path: Path, uninterrupted: Path, running: list[subprocess.Popen[str]]
) -> None:
    config = settings(random_qwen, data, tmp_path / "run")
    folder = Path(config.output)
    last = f"checkpoint-{STEPS - 2}"
    shutil.copytree(uninterrupted / last, folder / last)
    # The weights still fit, and the optimiser's state, twice as large, no more.
    most = int((folder / last / "model.safetensors").stat().st_size * 1.2)
    running.append(start(config, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))))
    _, errors = running[0].communicate(timeout=PATIENCE)
    assert running[0].returncode not in (0, 130)
    assert f"the checkpoint of step {STEPS} could not be written" in errors and "Make room" in errors, errors
    assert whole_checkpoint(folder) == folder / last and not (folder / "final").exists()
    sft(config)
    assert losses(folder)[STEPS] == losses(uninterrupted)[STEPS]


def test_nan_stops_the_run_and_saves_the_batch(random_qwen: Path, data: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(random_qwen, model)
    weights = load_file(model / "model.safetensors")
    name = next(n for n in weights if "layers.1" in n and n.endswith("down_proj.weight"))
    weights[name][0, 0] = float("nan")
    save_file(weights, model / "model.safetensors", {"format": "pt"})
    config = settings(model, data, tmp_path / "run")
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(RunStopped, match=r"the loss is nan at step 1; the batch is in .*bad-batch-step-1"):
        sft(config)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    batch = torch.load(tmp_path / "run" / "bad-batch-step-1-process-0.pt")
    assert len(batch["input_ids"]) == 4 and (batch["labels"] != -100).any() and len(batch["pixel_values"])
    assert not checkpoints(tmp_path / "run") and not (tmp_path / "run" / "final").exists()


class Arithmetic:
    """A trainer's skeleton: what `Watched` asks of the Trainer behind it."""

    def __init__(self, folder: Path, divergence: float, norm: float) -> None:
        self._metrics = {"train": {"kl": [divergence]}}
        self.norm = norm
        self.state = type("State", (), {"global_step": 6})
        self.callback_handler = type("Handler", (), {"callbacks": [Limits(folder, kl_limit=10.0)]})

    def compute_loss(self, model: torch.nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return inputs["x"].sum()

    def _get_grad_norm(self, model: torch.nn.Module, grad_norm: float | None = None) -> float:
        return self.norm


class WatchedArithmetic(Watched, Arithmetic):
    pass


@pytest.mark.parametrize(
    ("divergence", "norm", "message"),
    [(9.0, 1.0, None), (11.0, 1.0, "KL to the reference is 11, above the limit of 10"), (float("nan"), 1.0, "KL"),
     (1.0, float("inf"), "gradient's norm is inf")],
)  # fmt: skip
def test_exploding_kl_and_gradients_stop_the_run(
    tmp_path: Path, divergence: float, norm: float, message: str | None
) -> None:
    trainer = WatchedArithmetic(tmp_path, divergence, norm)

    def step() -> None:
        model = torch.nn.Linear(1, 1)
        trainer.compute_loss(model, {"x": torch.ones(3)})
        trainer._get_grad_norm(model)

    if message is None:
        step()
        assert not list(tmp_path.iterdir())
        return
    with pytest.raises(RunStopped, match=f"{message}.*at step 7"):
        step()
    assert torch.load(tmp_path / "bad-batch-step-7-process-0.pt")["x"].tolist() == [1, 1, 1]

"""Reinforcement learning on a cluster: write verl's data, start its job on Ray, bring its checkpoint home.

    egm train rl --config training/qwen3_vl/8b_visible_rl.yaml engine=verl
    egm train rl --config ... engine=verl verl.action=print
    egm train rl --config ... engine=verl verl.action=submit verl.address=http://HEAD:8265 verl.nodes=4
    egm train rl --config ... engine=verl verl.action=export

verl is another environment (its pins exclude ours): `verl.python` names its Python, on this machine or, for a
submitted job, on the cluster. InternVL is EXPERIMENTAL there, see `verl_internvl`. The same command resumes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from egm_core.families import TASKS, Task
from egm_core.models.folder import ModelInfo, resolve, write_info
from egm_core.train.configuration import ConfigurationError
from egm_core.train.data.check import check_data
from egm_core.train.rl.questions import checking
from egm_core.train.rl.verl.data import Asking, write_parquet
from egm_core.train.rl.verl.settings import CHECKPOINTS, environment, overrides, refuse
from egm_core.train.run.curves import draw
from egm_core.train.run.folder import model_of, open_run

if TYPE_CHECKING:
    from egm_core.train.rl.config import RLConfig

_log = logging.getLogger("egm.train")
PACKAGE = Path(__file__).parents[3]
PROCESSOR_FILES = ("*processor*.json", "chat_template.*", "tokenizer*", "special_tokens_map.json", "vocab*", "merges*")
# verl's names for what our metrics and curves call otherwise.
METRICS = {
    "critic/score/mean": "reward",
    "response_length/mean": "completions/mean_length",
    "response_length/clip_ratio": "completions/clipped_ratio",
    "actor/entropy": "entropy",
    "actor/kl_loss": "kl",
    "actor/loss": "loss",
    "actor/pg_loss": "policy_loss",
    "actor/grad_norm": "grad_norm",
    "actor/lr": "learning_rate",
}


@dataclass(frozen=True)
class Job:
    """A training job of verl: its command, and the environment variables that it needs beside the machine's own."""

    arguments: tuple[str, ...]
    variables: dict[str, str]

    def text(self) -> str:
        """Give the job as a shell script of one command."""
        setting = [f"export {name}={shlex.quote(value)}" for name, value in sorted(self.variables.items())]
        command = " \\\n    ".join(shlex.quote(argument) for argument in self.arguments)
        return "\n".join(["#!/usr/bin/env bash", "set -euo pipefail", *setting, command, ""])


def launch(config: RLConfig) -> Path:
    """Run, submit, print or export a run with verl, as `verl.action` says, and give what it left.

    That is `final/`, the model folder; or, where the job goes on elsewhere or was only printed, the script of its
    command. Raises ConfigurationError where the job can't be made or has failed.
    """
    refuse(config)
    folder = open_run("rl", config)
    if config.verl.action in ("run", "submit") and (folder / "final").is_dir():
        return folder / "final"
    model, info = model_of(config)
    if config.verl.action == "export":
        return export(config, info, model)
    if info.family.startswith("internvl3"):
        _log.warning("EXPERIMENTAL: verl 0.9.1 doesn't know InternVL; it runs through egm_core.train.rl.verl.internvl.")
    if info.family == "qwen3_5":
        _log.warning("EXPERIMENTAL: Qwen3.5 was never run with verl 0.9.1; engine=trl was, on a CPU.")
    train = prepare(config, info)
    template = (info.thinking or info.speaker.thinking).switched(info.reasoning)
    job = job_of(config, info.family, model, train, template)
    script = folder / CHECKPOINTS / "launch.sh"
    script.write_text(job.text(), encoding="utf-8")
    if config.verl.action == "print":
        print(job.text())
        return script
    (folder / CHECKPOINTS / "logs").mkdir(exist_ok=True)
    _start(job, config)
    if config.verl.action == "submit" and not config.verl.wait:
        _log.info("submitted; when it has ended, the same command with verl.action=export brings the model home")
        return script
    write_metrics(folder)
    return export(config, info, model)


def prepare(config: RLConfig, info: ModelInfo) -> Path:
    """Write the parquet file of a run's questions, unless it is there already, and give it.

    Raises ConfigurationError where the data check refuses the data.
    """
    if not config.data:
        raise ConfigurationError("data is empty; give sample files, such as data=[data/visible/train.jsonl]")
    embed, files = config.verl.pictures == "embed", [Path(file) for file in config.data]
    tasks = tuple(task for task in TASKS if task in config.tasks)
    asking = Asking(info, tasks, "train", embed, config.success_weight, config.official_pixels, config.token_price)
    stands_for = [[str(f.absolute()), f.stat().st_size, f.stat().st_mtime_ns] for f in files if f.is_file()]
    key = hashlib.sha256(json.dumps([stands_for, str(asking)]).encode()).hexdigest()[:16]
    folder = Path(config.output)
    path = folder / CHECKPOINTS / f"train-{key}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.is_file():
        found = check_data(folder, checking(config, info, info.path))
        found.say()
        write_parquet(path, found.samples, asking)
    return path


def job_of(config: RLConfig, family: str, model: Path, train: Path, template: dict[str, Any] | None = None) -> Job:
    """Give the job that trains: verl's trainer on this machine, or `ray job submit` with it.

    A submitted job brings this package along as a module, so that the cluster needs verl only, and what
    `egm_core.reward` imports.
    """
    own = config.verl
    variables = environment(config, family)
    trainer = [own.python, "-m", "verl.trainer.main_ppo", *overrides(config, family, model, train, template)]
    if own.action != "submit":
        inherited = os.environ.get("PYTHONPATH")
        path = os.pathsep.join(filter(None, (str(PACKAGE.parent), inherited)))
        return Job(tuple(trainer), {**variables, "PYTHONPATH": path})
    runtime = {"env_vars": variables, "py_modules": [str(PACKAGE)], "excludes": ["weights/", "**/__pycache__/"]}
    submit = ["ray", "job", "submit", f"--address={own.address}", f"--runtime-env-json={json.dumps(runtime)}"]
    return Job((*submit, *([] if own.wait else ["--no-wait"]), "--", *trainer), {})


def _start(job: Job, config: RLConfig) -> None:
    try:
        status = subprocess.run(job.arguments, env={**os.environ, **job.variables}, check=False).returncode
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{error.filename} was not found; install verl[vllm,fsdp]==0.9.1 in an environment of its own and name "
            "its Python with verl.python (to submit, ray is enough: pip install 'ray[default]')"
        ) from error
    if status:
        raise ConfigurationError(
            f"verl ended with status {status}; its last words are above. Checkpoints stay in "
            f"{Path(config.output) / CHECKPOINTS}, and the same command goes on from the newest"
        )


def newest_checkpoint(folder: Path) -> Path:
    """Give the checkpoint that verl calls its latest: it writes the number down when the checkpoint is complete."""
    tracker = folder / "latest_checkpointed_iteration.txt"
    if not tracker.is_file():
        raise ConfigurationError(f"{folder} holds no complete checkpoint of verl yet; nothing can be exported")
    return folder / f"global_step_{int(tracker.read_text())}"


def export(config: RLConfig, info: ModelInfo, model: Path) -> Path:
    """Merge the newest sharded checkpoint into `final/`, a model folder that grounder, node and evaluation read.

    verl's own merger writes the weights, in bfloat16; processor, tokenizer and template are the starting model's.
    """
    final = Path(config.output) / "final"
    actor = newest_checkpoint(Path(config.output) / CHECKPOINTS) / "actor"
    part = final.with_name("final.part")
    shutil.rmtree(part, ignore_errors=True)
    merge = ["-m", "verl.model_merger", "merge", "--backend", "fsdp", f"--local_dir={actor}", f"--target_dir={part}"]
    _start(Job((config.verl.python, *merge), environment(config, info.family)), config)
    for pattern in PROCESSOR_FILES:
        for file in model.glob(pattern):
            shutil.copy2(file, part / file.name)
    write_info(part, info.trained(name=config.name, tasks=cast(tuple[Task, ...], tuple(config.tasks))))
    resolve(part)
    shutil.rmtree(final, ignore_errors=True)
    part.rename(final)
    return final


def write_metrics(folder: Path) -> None:
    """Gather what verl logged, start by start, into `metrics.jsonl` under our names, and draw the curves."""
    rows: dict[int, dict[str, Any]] = {}
    for log in sorted((folder / CHECKPOINTS / "logs").glob("*.jsonl")):
        started = True
        for line in log.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                _log.warning("%s: a torn line was left out", log)
                continue
            if started:
                # A start goes on from a checkpoint, and takes the steps after it again.
                rows = {step: row for step, row in rows.items() if step < entry["step"]}
                started = False
            named = {METRICS.get(name, name): value for name, value in entry["data"].items()}
            rows[entry["step"]] = {"step": entry["step"], **named}
    text = "".join(json.dumps(rows[step]) + "\n" for step in sorted(rows))
    part = folder / "metrics.jsonl.part"
    part.write_text(text, encoding="utf-8")
    part.replace(folder / "metrics.jsonl")
    draw(folder)

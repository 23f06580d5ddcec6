"""What every training run shares: its settings, its folder, and the checkpoints that it resumes from.

A run's folder holds `config.yaml` (resolved), `versions.json` (packages, Python, git revision, seed),
`metrics.jsonl` and TensorBoard files (written while it runs), `curves.png`, `checkpoint-<step>` folders, and at
the end `final/`, a model folder. The same command continues a run that was stopped, from its newest whole
checkpoint.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import platform
import shutil
import subprocess
from dataclasses import asdict
from importlib import metadata, util
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from egm_core import __version__
from egm_core.models.folder import ModelInfo, load_info, resolve
from egm_core.train.configuration import ConfigurationError, check
from egm_core.train.run.config import RunConfig

# The trainers report their use to the hub unless told not to; a run talks to nobody that it was not told of.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

_log = logging.getLogger("egm.train")
PACKAGES = (
    "torch",
    "transformers",
    "trl",
    "accelerate",
    "peft",
    "datasets",
    "numpy",
    "vllm",
    "verl",
    "ray",
    "deepspeed",
)
WHOLE = "whole.json"
PREFIX = "checkpoint-"
KEPT = 2


def is_first() -> bool:
    """Tell whether this is the run's first process: the one that writes its folder."""
    return int(os.environ.get("RANK", "0")) == 0


def is_finished(folder: Path) -> bool:
    """Tell, and say to the user, whether a run has come to its end before: its `final/` is there."""
    done = (folder / "final").is_dir()
    if done and is_first():
        _log.warning("%s is finished already; remove it or name another output to train anew", folder)
    return done


def open_run(stage: str, config: RunConfig) -> Path:
    """Make a run's folder, write what it was asked and what it runs on, and give the folder.

    Raises ConfigurationError for values out of range, for a report that can't be made, and where the folder
    holds the checkpoints of a run that was asked otherwise. Call it in every process; the first one writes.
    """
    check(config)
    if not config.tasks or not config.name.strip() or not config.output.strip():
        raise ConfigurationError(f"{stage}: give a name, an output folder and at least one task")
    for package in config.report_to:
        if util.find_spec(package) is None:
            raise ConfigurationError(
                f"report_to names {package}, which is not installed; pip install {package}, or take it off the list"
            )
    folder = Path(config.output)
    asked = {"stage": stage, **asdict(config)}
    if is_first():
        folder.mkdir(parents=True, exist_ok=True)
        if whole_checkpoint(folder) or (folder / "final").is_dir():
            _refuse_other(folder, asked, {f.name for f in dataclasses.fields(config) if f.metadata.get("changeable")})
        _write(folder / "config.yaml", yaml.safe_dump(asked, sort_keys=False))
        _write(folder / "versions.json", json.dumps(versions(config.seed), indent=2) + "\n")
    return folder


def versions(seed: int) -> dict[str, Any]:
    """Give what a run depends on beside its settings: packages, Python, machine, git revision, and its seed."""
    packages = {"egm_core": __version__}
    for name in PACKAGES:
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "seed": seed,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "git": revision(),
        "packages": packages,
    }


def revision() -> str | None:
    """Give the git revision of this code, with `+changes` where files differ from it; None outside a checkout."""
    root = Path(__file__).parents[3]
    if not (root / ".git").exists():
        return None
    try:
        found = [
            subprocess.run(
                ["git", "-C", str(root), *words], capture_output=True, text=True, timeout=30, check=True
            ).stdout
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        ]
    except (OSError, subprocess.SubprocessError):
        return None
    return found[0].strip() + ("+changes" if found[1].strip() else "")


class EndedEarly(OSError):
    """A run that came to an end before its last step; nothing was written as its `final/`."""


def ended_early(step: int, steps: int, folder: Path) -> EndedEarly:
    """Give the error of a run that ended before its last step."""
    return EndedEarly(
        f"the run ended after {step} of {steps} steps, so {folder / 'final'} was not written: a batch could not be "
        f"made. Look into {folder / 'data_check.txt'}; the same command goes on from the last checkpoint"
    )


def ran_to_end(step: int, steps: int, folder: Path) -> None:
    """Hold a stage to its number of steps; EndedEarly where some did not run."""
    if step < steps:
        raise ended_early(step, steps, folder)


class Start(NamedTuple):
    """The model that a run starts from: its folder, and what it is."""

    path: Path
    info: ModelInfo


def model_of(config: RunConfig) -> Start:
    """Find a run's model and read what it is.

    Raises ConfigurationError for a model that can't be read, and for one of another family than the one that the
    values are for.
    """
    path = resolve(config.model, offline=config.offline)
    try:
        info = load_info(path)
    except ValueError as error:
        raise ConfigurationError(f"model: {error}", "model") from error
    if config.family and config.family != info.family:
        raise ConfigurationError(
            f"these values are for {config.family}, and {config.model} is of the family {info.family}; take the file "
            f"of that family (training/{info.family}/), or say family={info.family} to use these all the same",
            "family",
        )
    return Start(path, info)


def mark_whole(checkpoint: Path) -> None:
    """Mark a checkpoint as whole: flush its files to the disk, then write down their sizes."""
    sizes = {}
    for file in sorted(checkpoint.rglob("*")):
        if file.is_file() and file.name != WHOLE:
            with open(file, "rb") as written:
                os.fsync(written.fileno())
            sizes[file.relative_to(checkpoint).as_posix()] = file.stat().st_size
    _write(checkpoint / WHOLE, json.dumps(sizes, indent=1))


def is_whole(checkpoint: Path) -> bool:
    """Tell whether a checkpoint was written to its end and still has every file at its full size."""
    try:
        sizes = json.loads((checkpoint / WHOLE).read_text())
        return bool(sizes) and all((checkpoint / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def checkpoints(folder: Path) -> list[Path]:
    """List a run's checkpoint folders, torn ones included, by their step."""
    found = [p for p in Path(folder).glob(f"{PREFIX}*") if p.name.removeprefix(PREFIX).isdigit()]
    return sorted(found, key=lambda p: int(p.name.removeprefix(PREFIX)))


def whole_checkpoint(folder: Path) -> Path | None:
    """Give the newest checkpoint that is whole, and None where there is none; torn ones are passed over."""
    return next((p for p in reversed(checkpoints(folder)) if is_whole(p)), None)


def drop_torn(folder: Path) -> None:
    """Remove torn checkpoints, lest the trainer counts one among those worth keeping."""
    for path in checkpoints(folder):
        if not is_whole(path):
            shutil.rmtree(path)


def _refuse_other(folder: Path, asked: dict[str, Any], changeable: set[str]) -> None:
    try:
        before = yaml.safe_load((folder / "config.yaml").read_text())
    except (OSError, yaml.YAMLError):
        return
    if not isinstance(before, dict):
        return
    differing = [k for k, v in asked.items() if k not in changeable and k in before and before[k] != v]
    if differing:
        words = ", ".join(f"{k} was {before[k]!r} and is now {asked[k]!r}" for k in differing)
        raise ConfigurationError(
            f"{folder} holds a run that was asked otherwise ({words}); ask for the same to continue "
            "it, name another output, or remove the folder"
        )


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    with open(part, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)

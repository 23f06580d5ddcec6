"""The model that is evaluated, the engine that runs it, and how both are described beside its scores."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from egm_core.asking.asker import Asker, Emit
from egm_core.asking.engine import EngineAsker
from egm_core.asking.job import Job
from egm_core.engines.base import Engine
from egm_core.engines.http.served_models import Wanted
from egm_core.evaluate.asking import Manner
from egm_core.evaluate.samples.pictures import Pictures
from egm_core.evaluate.samples.side_by_side import SideBySide
from egm_core.evaluate.waiting import WAIT, awaited
from egm_core.families import Family, Mode
from egm_core.families.base import Speaker
from egm_core.families.known import check_served
from egm_core.families.vendors import AUTO, speaker
from egm_core.models.calibration import weights_digest
from egm_core.models.folder import EMBEDDED, ModelInfo, load_info, resolve
from egm_core.supervise.inside import Inside


@dataclass(frozen=True)
class Subject:
    """Which model is asked, and how: a folder that this process runs, or a server's with `engine_url`.

    With `inside` vLLM runs the folder in this process, else transformers does. `adapter` is the folder of the LoRA
    adapter that the server has under the name `engine_model`.
    `model` names a folder, or with a server how to ask it; without one, `family` does, or the served model's name.
    """

    model: str = ""
    engine_url: str | None = None
    engine_model: str = ""
    family: str = ""
    device: str = "auto"
    threads: int | None = None
    batch: int = 32
    max_pixels: int | None = None
    key_in_clear: tuple[str, ...] = ()
    api_key_env: str = "OPENAI_API_KEY"
    wait: float = WAIT
    inside: Inside | None = None
    adapter: str = ""
    precision: str = "auto"


@dataclass(frozen=True)
class Ready:
    """A model that can be asked: its description, its asker, what makes its answers its own, and where it runs."""

    info: ModelInfo
    speaker: Speaker
    asker: Asker
    pictures: Pictures
    about: dict[str, Any]

    def manner(self, reasoning: bool) -> Manner:
        """Say how it is asked; ValueError where reasoning is to be forbidden and cannot be."""
        if isinstance(self.speaker, Family):
            return Manner.of(self.info, reasoning, self.speaker)
        if not reasoning:
            raise ValueError(f"nothing here can forbid {self.info.name} to reason: leave --no-reasoning away")
        return Manner.of_speaker(self.speaker)

    def mode(self, wanted: str) -> Mode:
        """Give the rules by which boxes are read: the wanted ones, else the released evaluation's, or salvage."""
        if not wanted:
            return "paper_eval" if "paper_eval" in self.speaker.modes else "salvage"
        for mode in self.speaker.modes:
            if mode == wanted:
                return mode
        raise ValueError(f"answers of {self.speaker.name} can be read by {', '.join(self.speaker.modes)}, not {wanted}")

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same for two answers to be the same model's."""
        return self.asker.about


@contextmanager
def ready(subject: Subject) -> Iterator[Ready]:
    """Start the engine and describe the model; raises EngineError, FileNotFoundError or ValueError with the remedy."""
    if subject.engine_url:
        with _remote(subject) as found:
            yield found
        return
    path = resolve(subject.model or EMBEDDED)
    info = load_info(path, family=_told(subject))
    if subject.inside:
        with _by_vllm(subject, subject.inside, path, info) as found:
            yield found
        return
    from egm_core.engines.local import TransformersEngine

    budget = subject.max_pixels or info.max_pixels
    with TransformersEngine(path, device=subject.device, max_pixels=budget, threads=subject.threads) as engine:
        engine.wait_ready()
        pictures = Pictures(info, info.speaker, subject.max_pixels)
        digest = weights_digest(path)
        asker = _Local(EngineAsker(engine, pictures, subject.batch), {"model": info.name, "weights": digest})
        yield Ready(
            info, info.speaker, asker, pictures, _about(subject, info, info.speaker, engine, digest, engine.device())
        )


@dataclass(frozen=True)
class _Local:
    """The in-process engine; its model's weights tell its answers from another's."""

    engine: EngineAsker
    about: dict[str, Any]

    def ask(self, jobs: Iterator[Job], emit: Emit) -> None:
        self.engine.ask(jobs, emit)


@contextmanager
def _by_vllm(subject: Subject, inside: Inside, path: Path, info: ModelInfo) -> Iterator[Ready]:
    """Run a folder by vLLM in this process, which batches by itself what is asked side by side."""
    with inside.engine(path) as engine:
        engine.wait_ready(inside.start_timeout)
        pictures = Pictures(info, info.speaker, subject.max_pixels)
        digest = weights_digest(path)
        identity = {"model": info.name, "weights": digest, "program": engine.kind()}
        asker = SideBySide(engine, pictures, identity, subject.batch)
        yield Ready(
            info, info.speaker, asker, pictures, _about(subject, info, info.speaker, engine, digest, engine.device())
        )


@contextmanager
def _remote(subject: Subject) -> Iterator[Ready]:
    from egm_core.engines.openai import OpenAIEngine

    assert subject.engine_url
    names = (subject.model, subject.model.rsplit("/", 1)[-1]) if subject.model else ()
    engine = OpenAIEngine(
        subject.engine_url,
        model=Wanted(subject.engine_model, names),
        api_key_env=subject.api_key_env,
        clear_hosts=subject.key_in_clear,
        precision=subject.precision,
    )
    with engine:
        health = awaited(engine, subject.wait)
        served = subject.engine_model or health.model
        info, speaks = _described(subject, served)
        pictures = Pictures(info, speaks, subject.max_pixels)
        identity = {"model": served}
        if subject.adapter:
            folder = Path(subject.adapter).expanduser()
            info = replace(info, name=f"{info.name} with {folder.name}")
            identity = {"model": info.name, "adapter": weights_digest(folder)}
        asker = SideBySide(engine, pictures, identity, subject.batch)
        about = _about(subject, info, speaks, engine, None) | {"served": served}
        yield Ready(info, speaks, asker, pictures, about)


def _described(subject: Subject, served: str) -> tuple[ModelInfo, Speaker]:
    """Say how a served model is asked: by a folder, by the family that was told, or by its name."""
    if subject.model:
        try:
            folder = resolve(subject.model)
        except FileNotFoundError as error:
            if subject.model == EMBEDDED or Path(subject.model).expanduser().is_dir():
                raise
            raise FileNotFoundError(
                f"--model {subject.model} is no model folder here; for a model by its name at --engine-url, say "
                f"--engine-model {subject.model}, with --family where the name does not tell it"
            ) from error
        info = load_info(folder, family=_told(subject))
        if not subject.family:
            check_served(served, info.family)
        return info, info.speaker
    speaks = speaker(subject.family or AUTO, served)
    return ModelInfo(served, speaks.name), speaks


def _told(subject: Subject) -> str | None:
    return None if subject.family in ("", AUTO) else subject.family


def _about(
    subject: Subject, info: ModelInfo, speaks: Speaker, engine: Engine, digest: str | None, device: str = ""
) -> dict[str, Any]:
    remote = subject.engine_url is not None
    return {
        "model": info.name,
        "version": info.version,
        **speaks.about(),
        "engine": engine.kind(),
        "weights_sha256": digest,
        "max_pixels": subject.max_pixels or info.max_pixels,
        "asked": f"{subject.batch} side by side" if remote or subject.inside else f"in batches of {subject.batch}",
        "concurrency": subject.batch,
        # A served model runs elsewhere, and nothing here can say on what.
        "device": device,
        "machine": f"behind {subject.engine_url}" if remote else f"{machine()}, device {device}",
    }


def machine() -> str:
    """Describe this machine in a few words."""
    return f"{platform.machine()} {platform.system()}, {len(os.sched_getaffinity(0))} cores"

"""The parameters of the grounding node, and the frozen `Settings` that it works with.

The table gives the rcl descriptors, the validation, and the parameter tables of the documentation.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, fields
from typing import Any, cast

from egm_core.engines.http.address import checked
from egm_core.engines.pictures import PictureFormat
from egm_core.supervise.policy import Care
from egm_core.supervise.settings import EngineSettings
from egm_core.targets.lines import listed, read
from egm_ros.interface.engine import ENGINE_PARAMETERS
from egm_ros.interface.following import AUTOSTART, TRANSPORT
from egm_ros.interface.parameter import ParameterSpec

GROUNDING: tuple[ParameterSpec, ...] = (
    *ENGINE_PARAMETERS,
    TRANSPORT,
    ParameterSpec(
        "cameras",
        ("",),
        "Camera names: front subscribes front/image and publishes ~/front/visible; [''] is one camera without a name.",
    ),
    ParameterSpec(
        "max_batch",
        1,
        "Queries at a time, each about another camera, or another target in the same image; more than 1 is quicker"
        " where the engine batches, and only makes answers older where it does not.",
        range=(1, 64),
        live=True,
    ),
    ParameterSpec(
        "max_objects",
        1,
        "Objects of a target that an answer holds at most. 0: every match; -1: one, but every match where the target's"
        " words ask for several, as 'every cup' does.",
        range=(-1, 200),
        live=True,
    ),
    ParameterSpec(
        "default_instruction",
        "",
        "Instruction to serve until one arrives on the topic, a line for each target; empty: none.",
        live=True,
    ),
    ParameterSpec(
        "instructions",
        ("",),
        "The same as a list, with an entry for each target; give this or default_instruction, not both.",
        live=True,
    ),
    ParameterSpec(
        "max_rate",
        2.0,
        "Queries per second at most, of all kinds, targets and cameras together, unless ahead_of_rate says otherwise;"
        " 0: as many as the engine answers.",
        range=(0.0, 30.0),
        live=True,
        unit="Hz",
    ),
    ParameterSpec(
        "ahead_of_rate",
        "none",
        "What need not wait for max_rate. none: it bounds every query, and so the power that they take. once: what"
        " services and actions ask once. all: those, and what ~/refresh and a new instruction ask first.",
        choices=("none", "once", "all"),
        live=True,
    ),
    ParameterSpec(
        "refresh_interval",
        0.5,
        "Least time between two queries about a camera that ~/refresh or a new instruction has ahead of its turn;"
        " one that comes sooner waits.",
        range=(0.0, 3600.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "max_pixels",
        0,
        "Pixels that an image is scaled down to before it is sent; 0: the model's own.",
        range=(0, 16_777_216),
        live=True,
    ),
    ParameterSpec(
        "min_score",
        0.0,
        "Boxes with a lower score, calibrated where it can be, are withheld: empty arrays,"
        " outcome absent, reason low_score; a WARN where the bound is held against raw scores. Engines that"
        " give no scores are exempt.",
        range=(0.0, 1.0),
        live=True,
    ),
    ParameterSpec(
        "out_of_domain",
        "warn",
        "What becomes of an answer about words or an image unlike the model's"
        " training: warn publishes it with a warning and a raw score, absent publishes empty arrays with the"
        " reason out_of_domain (one in twenty images like the training counts as unlike it, too). A model"
        " whose folder does not tell its training, as big general ones, is not judged.",
        choices=("warn", "absent"),
        live=True,
    ),
    ParameterSpec(
        "query_timeout",
        10.0,
        "An answer that takes longer is aborted and counts as stale.",
        range=(0.05, 600.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "deadline",
        0.0,
        "Seconds from the start of a query until its answer must be out: first a box without thinking, then"
        " thinking where the model's gate says that it will probably change the answer and where there is time;"
        " at the deadline the better of what is finished. An answer that comes later all the same is published, and"
        " counted as missed. 0: none.",
        range=(0.0, 600.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "max_result_age",
        10.0,
        "An answer for an image older than this is stale; 0: no limit.",
        range=(0.0, 3600.0),
        live=True,
        unit="s",
    ),
    ParameterSpec(
        "image_timeout",
        2.0,
        "Report when no image came for this long while an instruction is served.",
        range=(0.1, 3600.0),
        live=True,
        unit="s",
    ),
    ParameterSpec("reasoning", True, "Let the model think before it answers.", live=True),
    ParameterSpec(
        "force_amodal",
        False,
        "Ask for amodal boxes even if the model does not declare that it was trained for them.",
        live=True,
    ),
    AUTOSTART,
)


@dataclass(frozen=True)
class Settings:
    """The grounding node's parameters, validated; the fields are the table's names."""

    model: str
    amodal_model: str
    visible_adapter: str
    amodal_adapter: str
    family: str
    offline: bool
    engine: str
    engine_precision: str
    engine_memory_share: float
    engine_url: str
    amodal_engine_url: str
    engine_command: str
    engine_python: str
    engine_api_key_env: str
    engine_key_in_clear: tuple[str, ...]
    engine_image_format: str
    engine_dialect: str
    engine_start_timeout: float
    engine_health_timeout: float
    failure_limit: int
    restart_limit: int
    restart_window: float
    restart_backoff: float
    free_on_deactivate: bool
    transport: str
    cameras: tuple[str, ...]
    max_batch: int
    max_objects: int
    default_instruction: str
    instructions: tuple[str, ...]
    max_rate: float
    ahead_of_rate: str
    refresh_interval: float
    max_pixels: int
    min_score: float
    out_of_domain: str
    query_timeout: float
    deadline: float
    max_result_age: float
    image_timeout: float
    reasoning: bool
    force_amodal: bool
    autostart: bool

    @classmethod
    def of(cls, values: dict[str, Any]) -> Settings:
        """Validate a value for every parameter; raise ValueError that names the first bad one."""
        for spec in GROUNDING:
            problem = spec.problem(values[spec.name])
            if problem:
                raise ValueError(problem)
        given: dict[str, Any] = {field.name: values[field.name] for field in fields(cls)}
        given["cameras"] = tuple(given["cameras"])
        given["instructions"] = tuple(given["instructions"])
        given["engine_key_in_clear"] = tuple(given["engine_key_in_clear"])
        settings = cls(**given)
        problem = settings.contradiction()
        if problem:
            raise ValueError(problem)
        return settings

    def idle(self) -> list[str]:
        """Say of each parameter that was set and does nothing beside the others so, with the remedy."""
        told = []
        if self.engine_url and self.engine_python:
            told.append("engine_python does nothing beside engine_url, whose server runs already; leave one away")
        if self.engine_python and self.engine in ("llamacpp", "ollama"):
            told.append(f"engine_python does nothing beside engine {self.engine}, which is no Python; leave it away")
        if self.amodal_engine_url and self.amodal_model in ("", self.model):
            told.append("amodal_engine_url does nothing without an own amodal_model; name that, or leave it away")
        if any(self.engine_key_in_clear) and not self.engine_url:
            told.append("engine_key_in_clear does nothing without engine_url: the node's own server is on this machine")
        if self.deadline and not self.reasoning:
            told.append("deadline bounds the first box alone beside reasoning:=false, which lets no thought follow")
        told.append(read(self.default_instruction, "default_instruction").left_out)
        return [said for said in told if said]

    @property
    def lines(self) -> tuple[str, ...]:
        """The targets that are served until others are given; ValueError says by name why these cannot be."""
        lines = listed(self.instructions, "instructions")
        default = read(self.default_instruction, "default_instruction").lines
        if lines and default:
            raise ValueError("default_instruction and instructions: give one of them, a text or a list of lines")
        return lines or default

    @property
    def engines(self) -> EngineSettings:
        """The choice of engines."""
        return EngineSettings(
            self.model,
            self.amodal_model,
            self.family,
            self.offline,
            self.engine_url,
            self.amodal_engine_url,
            self.engine_command,
            self.engine_python,
            self.engine_api_key_env,
            self.engine_key_in_clear,
            cast("PictureFormat", self.engine_image_format),
            self.engine_dialect,
            self.engine_start_timeout,
            self.engine,
            self.engine_precision,
            self.engine_memory_share,
            self.visible_adapter,
            self.amodal_adapter,
        )

    @property
    def care(self) -> Care:
        """When an engine is replaced, and how often."""
        return Care(
            self.engine_health_timeout,
            self.failure_limit,
            self.restart_limit,
            self.restart_window,
            self.restart_backoff,
            self.query_timeout,
        )

    def contradiction(self) -> str:
        """Say which parameters do not go together, or are not what their name promises; empty if all is well."""
        for name in ("engine_url", "amodal_engine_url"):
            url = getattr(self, name)
            try:
                checked(url or "http://localhost")
            except ValueError as error:
                return f"{name}: {error}"
        problem = self.engines.contradiction()
        if problem:
            return problem
        if self.deadline > self.query_timeout:
            return (
                f"deadline: {self.deadline:g} s is over query_timeout ({self.query_timeout:g} s), which aborts the"
                " query before; lower deadline, or raise query_timeout"
            )
        if self.engine_command:
            try:
                shlex.split(self.engine_command)
            except ValueError as error:
                return f"engine_command: {self.engine_command!r} cannot be split into words: {error}"
            if "{port}" not in self.engine_command:
                return "engine_command: has no {port}, so the node could not tell where the server listens"
        try:
            _ = self.lines
        except ValueError as error:
            return str(error)
        if not self.cameras:
            return "cameras: is empty; write [''] for one camera without a name"
        if len(set(self.cameras)) < len(self.cameras):
            return f"cameras: a name appears twice in {list(self.cameras)}"
        for camera in self.cameras:
            if (camera or len(self.cameras) > 1) and not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", camera):
                return f"cameras: {camera!r} is not a name of letters, digits and underscores"
        return ""

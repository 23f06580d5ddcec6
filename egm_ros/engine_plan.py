"""Works out from the parameters which engines a node needs, and what their models are."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from egm_core.model_folder import ModelInfo, load_info, resolve
from egm_ros.engine_interpreter import missing
from egm_ros.parameters import Settings


class SetupError(Exception):
    """What the parameters ask for cannot be set up; the message names the thing and the remedy."""


@dataclass(frozen=True)
class EnginePlan:
    """How to reach an engine: a server's URL, or the command that starts one, and the model behind it.

    `model` is what the command gets; `served_name` is what a server that was running before calls the model (None:
    it serves one, whatever its name).  `info` is None for a model that is still to be fetched from a hub.
    """

    model: str
    info: ModelInfo | None
    url: str
    served_name: str | None
    command: str
    python: str
    api_key_env: str
    dialect: str
    start_timeout: float
    family: str


def plans(settings: Settings) -> list[EnginePlan]:
    """List the engines that the settings ask for: one, or a second one for `amodal_model`.

    Raises SetupError where a model is not on this machine and must not or cannot be fetched, and where the server
    cannot be started on it.
    """
    lacks = "" if settings.engine_url else missing(settings.engine_command, settings.engine_python)
    if lacks:
        raise SetupError(lacks)
    models = [(settings.model, settings.engine_url)]
    if settings.amodal_model and settings.amodal_model != settings.model:
        models.append((settings.amodal_model, settings.amodal_engine_url or settings.engine_url))
    return [_plan(settings, model, url) for model, url in models]


def _plan(settings: Settings, model: str, url: str) -> EnginePlan:
    plan = EnginePlan(
        model=model,
        info=None,
        url=url,
        served_name=model if url else None,
        command=settings.engine_command,
        python=os.path.expanduser(settings.engine_python),
        api_key_env=settings.engine_api_key_env,
        dialect=settings.engine_dialect,
        start_timeout=settings.engine_start_timeout,
        family=settings.family,
    )
    try:
        located = locate(plan, offline=True)
    except (OSError, ValueError) as error:
        if url or (plan.command and not settings.offline):
            # Only the server has the model, or a command of the user's is going to fetch it.
            return replace(plan, info=_remote_info(model, settings.family))
        if settings.offline:
            raise SetupError(str(error)) from error
        return plan
    # A folder on this machine says nothing about the name that a running server gave the model.
    return replace(located, served_name=None) if url else located


def locate(plan: EnginePlan, offline: bool) -> EnginePlan:
    """Find the plan's model and read its description; `offline=False` fetches it from a hub."""
    path = resolve(plan.model, offline=offline)
    info = load_info(path)
    if plan.family != "auto":
        info = replace(info, family=plan.family)
    return replace(plan, model=str(path), info=info)


def _remote_info(model: str, family: str) -> ModelInfo:
    """Describe a model that only its server has; it declares no amodal training."""
    name = model.lower()
    if family == "auto":
        if "internvl" in name:
            family = "internvl3"
        elif "qwen" in name or "egm" in name:
            family = "qwen3_vl"
        else:
            raise SetupError(f"family: cannot be told from {model!r}; set it to qwen3_vl or internvl3")
    return ModelInfo(name=model, family=family, tasks=("visible",))

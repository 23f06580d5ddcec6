"""Works out from a user's choice which engines a node needs, and what their models are."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from egm_core.engines.http.served_models import Wanted
from egm_core.engines.pictures import PictureFormat
from egm_core.families.known import check_told, family_of_name
from egm_core.models.folder import ModelInfo, load_info, resolve
from egm_core.supervise.interpreter import missing
from egm_core.supervise.settings import EngineSettings


class SetupError(Exception):
    """What the parameters ask for cannot be set up; the message names the thing and the remedy."""


@dataclass(frozen=True)
class EnginePlan:
    """How to reach an engine: a server's URL, or the command that starts one, and the model behind it.

    `model` is what the command gets; `served` says what its server may call it.  `info` is None for
    a model that is still to be fetched from a hub.
    """

    model: str
    info: ModelInfo | None
    url: str
    served: Wanted
    command: str
    python: str
    api_key_env: str
    clear_hosts: tuple[str, ...]
    image_format: PictureFormat
    dialect: str
    start_timeout: float
    family: str


def plans(settings: EngineSettings) -> list[EnginePlan]:
    """List the engines that the settings ask for: one, or a second one for `amodal_model`.

    Raises SetupError where a model is not on this machine and must not or cannot be fetched.
    """
    models = [(settings.model, settings.engine_url)]
    if settings.amodal_model and settings.amodal_model != settings.model:
        models.append((settings.amodal_model, settings.amodal_engine_url or settings.engine_url))
    made = [_plan(settings, model, url) for model, url in models]
    if len(made) < 2 or not made[0].url or urlsplit(made[0].url).netloc != urlsplit(made[1].url).netloc:
        return made
    names = [(plan.served.name, *plan.served.known_as) for plan in made]
    return [
        replace(plan, served=_apart(plan.served, others)) for plan, others in zip(made, reversed(names), strict=True)
    ]


def _apart(wanted: Wanted, others: tuple[str, ...]) -> Wanted:
    """Tell a model from another one on the same server: neither is the only one, and no name may mean both."""
    return replace(wanted, known_as=tuple(name for name in wanted.known_as if name not in others), alone=False)


def startable(settings: EngineSettings) -> list[EnginePlan]:
    """List the engines as `plans` does; raise SetupError also where this machine cannot start one."""
    lacks = "" if settings.engine_url else missing(settings.engine_command, settings.engine_python)
    if lacks:
        raise SetupError(lacks)
    return plans(settings)


def _plan(settings: EngineSettings, model: str, url: str) -> EnginePlan:
    plan = EnginePlan(
        model=model,
        info=None,
        url=url,
        served=Wanted(model if url else ""),
        command=settings.engine_command,
        python=os.path.expanduser(settings.engine_python),
        api_key_env=settings.engine_api_key_env,
        clear_hosts=settings.engine_key_in_clear,
        image_format=settings.engine_image_format,
        dialect=settings.engine_dialect,
        start_timeout=settings.engine_start_timeout,
        family=settings.family,
    )
    try:
        located = locate(plan, offline=True)
    except ValueError as error:
        raise SetupError(str(error)) from error
    except OSError as error:
        if url or (plan.command and not settings.offline):
            # Only the server has the model, or a command of the user's is going to fetch it.
            return replace(plan, info=_remote_info(model, settings.family))
        if settings.offline:
            raise SetupError(str(error)) from error
        return plan
    # A folder on this machine only suggests the name that a running server gave the model.
    assert located.info is not None
    names = dict.fromkeys((model, located.model, Path(located.model).name, located.info.name))
    return replace(located, served=Wanted(known_as=tuple(names)))


def locate(plan: EnginePlan, offline: bool) -> EnginePlan:
    """Find the plan's model and read its description; `offline=False` fetches it from a hub."""
    path = resolve(plan.model, offline=offline)
    info = load_info(path, family=None if plan.family == "auto" else plan.family)
    return replace(plan, model=str(path), info=info)


def _remote_info(model: str, family: str) -> ModelInfo:
    """Describe a model that only its server has; it declares no amodal training."""
    try:
        if family != "auto":
            check_told(model, family)
        spoken = family_of_name(model) if family == "auto" else family
    except ValueError as error:
        raise SetupError(str(error)) from error
    return ModelInfo(name=model, family=spoken, tasks=("visible",))

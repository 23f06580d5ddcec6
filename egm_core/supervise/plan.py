"""Works out from a user's choice which engines a node needs, and what their models are."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from egm_core.engines.http.served_models import Wanted
from egm_core.engines.pictures import PictureFormat
from egm_core.families import Task
from egm_core.families.known import check_told, family_of_name
from egm_core.models.folder import ModelInfo, load_info, resolve
from egm_core.servers import checks
from egm_core.servers.known import SERVERS
from egm_core.servers.machine import look
from egm_core.servers.named import Adapter, Order
from egm_core.supervise import adapters
from egm_core.supervise.interpreter import missing
from egm_core.supervise.process import spelt
from egm_core.supervise.settings import EngineSettings


class SetupError(Exception):
    """What the parameters ask for cannot be set up; the message names the thing and the remedy."""


@dataclass(frozen=True)
class EnginePlan:
    """How to reach an engine: a server's URL, or what starts one, and the model behind it.

    `engine` is the engine's name, empty where `command` is a user's own. `model` is what the command gets; `served`
    says what its server may call it.  `info` is None for a model that is still to be fetched from a hub. `program` is
    where the engine's is, `python` the interpreter that it belongs to. `pictures` is the most that a question has.
    `adapters` are loaded beside the model, and `asked` is the name of the one that answers a task.
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
    engine: str = "egm"
    program: str = ""
    precision: str = "auto"
    memory_share: float = 0.0
    build: str = ""
    pictures: int = 1
    adapters: tuple[Adapter, ...] = ()
    asked: Mapping[Task, str] = field(default_factory=dict)

    def words(self, port: int) -> list[str]:
        """Spell out the command that serves the model on a port of this machine."""
        start = SERVERS[self.engine].start if self.engine else None
        if start is None:
            return spelt(self.command, self.model, port)
        program = self.program or start.program or self.python or sys.executable
        return [program, *start.words(self._order(port))]

    def environment(self, port: int) -> dict[str, str]:
        """Give what the engine wants to be set."""
        start = SERVERS[self.engine].start if self.engine else None
        return dict(start.environment(self._order(port))) if start is not None else {}

    def _order(self, port: int) -> Order:
        called = self.served.known_as[0] if self.served.known_as else self.model
        name = Path(called).name if Path(called).expanduser().exists() else called
        # Our own server knows its models' names by their folders.
        name = "" if self.engine == "egm" else name
        tokens = checks.context(self.model)
        return Order(
            self.model,
            port,
            name,
            self.precision,
            self.memory_share,
            tokens,
            self.build,
            self.pictures,
            self.adapters,
        )


def plans(settings: EngineSettings) -> list[EnginePlan]:
    """List the engines that the settings ask for: one, or a second one for `amodal_model`.

    Raises SetupError where a model is not on this machine and must not or cannot be fetched.
    """
    models = [(settings.model, settings.engine_url)]
    if settings.amodal_model and settings.amodal_model != settings.model:
        models.append((settings.amodal_model, settings.amodal_engine_url or settings.engine_url))
    made = [_plan(settings, model, url) for model, url in models]
    made[0] = _adapted(made[0], settings)
    if len(made) < 2 or not made[0].url or urlsplit(made[0].url).netloc != urlsplit(made[1].url).netloc:
        return made
    names = [(plan.served.name, *plan.served.known_as) for plan in made]
    return [
        replace(plan, served=_apart(plan.served, others)) for plan, others in zip(made, reversed(names), strict=True)
    ]


def _adapted(plan: EnginePlan, settings: EngineSettings) -> EnginePlan:
    """Have adapters loaded with the model, or asked for at a server that has them."""
    if plan.engine != "vllm" or not settings.adapters:
        return replace(plan, asked=settings.adapters)
    try:
        found = adapters.read(settings.adapters)
    except ValueError as error:
        raise SetupError(str(error)) from error
    return replace(plan, adapters=found, asked={task: task for task in settings.adapters})


def _apart(wanted: Wanted, others: tuple[str, ...]) -> Wanted:
    """Tell a model from another one on the same server: neither is the only one, and no name may mean both."""
    return replace(wanted, known_as=tuple(name for name in wanted.known_as if name not in others), alone=False)


def startable(settings: EngineSettings) -> list[EnginePlan]:
    """List the engines as `plans` does; raise SetupError also where this machine cannot start one."""
    wrong = settings.contradiction()
    if wrong:
        raise SetupError(wrong)
    name = settings.named
    if name in ("", "egm"):
        lacks = missing(settings.engine_command, settings.engine_python)
        if lacks:
            raise SetupError(lacks)
    made = plans(settings)
    return made if name in ("", "url") else _checked(made, settings)


def _checked(made: list[EnginePlan], settings: EngineSettings) -> list[EnginePlan]:
    """Hold plans for an engine that is started by its name against this machine."""
    server, machine = SERVERS[settings.named], look()
    python = settings.engine_python if server.start is not None and server.start.distribution else ""
    there = checks.found(server, python)
    lacks = [
        lack for plan in made for lack in checks.lacks(server, there, machine, plan.model, settings.engine_precision)
    ]
    if settings.engine_python and server.start is not None and server.start.program and not server.start.distribution:
        lacks.append(
            f"engine_python: {server.title} is no Python program, and is looked for on the PATH; leave it empty"
        )
    if settings.engine_memory_share and server.start is not None and not server.start.share_of:
        lacks.append(f"engine_memory_share: {server.title} takes no share; leave it at 0")
    if lacks:
        raise SetupError("; and ".join(dict.fromkeys(lacks)))
    share = settings.engine_memory_share or checks.share(server, machine, len(made))
    build = there.builds[0] if there.builds else ""
    program = str(Path(there.program).with_name("python")) if build else there.program
    return [replace(plan, program=program, memory_share=share, build=build) for plan in made]


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
        dialect=settings.named if settings.engine not in ("auto", "url") else settings.engine_dialect,
        start_timeout=settings.engine_start_timeout,
        family=settings.family,
        engine=settings.named,
        precision=settings.engine_precision,
    )
    start = SERVERS[plan.engine].start if plan.engine else None
    if start is not None and start.loads != "folder" and not Path(model).expanduser().is_dir():
        # A file, or a name in the engine's own store: no folder says what it is.
        return replace(plan, info=_remote_info(model, settings.family), served=_named_alone(model, start.loads))
    try:
        located = locate(plan, offline=True)
    except ValueError as error:
        raise SetupError(str(error)) from error
    except OSError as error:
        if url or (plan.engine != "egm" and not settings.offline):
            # Only the server has the model, or it is going to fetch it.
            return replace(plan, info=_remote_info(model, settings.family))
        if settings.offline:
            raise SetupError(str(error)) from error
        return plan
    # A folder on this machine only suggests the name that a running server gave the model.
    assert located.info is not None
    names = dict.fromkeys((model, located.model, Path(located.model).name, located.info.name))
    return replace(located, served=Wanted(known_as=tuple(names)))


def _named_alone(model: str, loads: str) -> Wanted:
    """Say what a started server may call its only model; a store has many, and is asked by the name."""
    return Wanted(model) if loads == "name" else Wanted()


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

"""The options by which a command chooses its engine by name, and the server that it then starts for itself.

A server that is started is there for the call alone: the command asks it as if its address had been given.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from egm_core.arguments import SECONDS, changed, number
from egm_core.families import FAMILIES, TASKS, Task
from egm_core.models.folder import EMBEDDED, resolve
from egm_core.servers.known import SERVERS
from egm_core.servers.named import PRECISIONS
from egm_core.supervise import inside
from egm_core.supervise.plan import EnginePlan, SetupError, startable
from egm_core.supervise.settings import EngineSettings
from egm_core.supervise.started import Running, started

ABOUT = ("engine_python", "engine_precision", "engine_memory_share", "engine_start_timeout")
# As many as a question of curation has: the image, and one with the box drawn into it.
PICTURES = 2


def add(group: Any, in_process: bool = False) -> None:
    """Add the options to a group of a command's parser; `in_process`: vLLM may run inside the command, too."""
    more = f"; {inside.NAME} runs vLLM inside this command, for many questions" if in_process else ""
    group.add_argument(
        "--engine", choices=[*sorted(SERVERS), *([inside.NAME] if in_process else [])], default="", metavar="NAME",
        help=f"start this engine for the call, and ask it: {', '.join(SERVERS)}; url is the server at its address{more}"
        " (default: none is started)",
    )  # fmt: skip
    group.add_argument(
        "--engine-python", default="", metavar="PATH",
        help="interpreter of the engine's environment (default: this one for egm, else the engine on the PATH)",
    )  # fmt: skip
    group.add_argument(
        "--engine-precision", choices=PRECISIONS, default="auto", help="number format that it computes in"
    )
    group.add_argument(
        "--engine-memory-share", type=number(0, 1), default=0.0, help="part of the GPU's memory; 0: what is free now"
    )
    group.add_argument("--engine-start-timeout", type=SECONDS, default=600.0, help="seconds until it must be ready")


@contextmanager
def chosen(options: argparse.Namespace, *models: str, family: str = "") -> Iterator[list[Running]]:
    """Start what --engine names, one server for each model, and give them; none where none is to be started.

    The first one's address becomes the command's `engine_url`. Raises ValueError and EngineError.
    """
    check(options)
    if options.engine in ("", "url", inside.NAME):
        yield []
        return
    names = [*dict.fromkeys(name or EMBEDDED for name in models)]
    with started(_plans(options, _settings(options, names, family))) as running:
        options.engine_url = running[0].url
        yield running


@contextmanager
def teaching(options: argparse.Namespace) -> Iterator[None]:
    """Start what --engine names for a command that asks a teacher; its address becomes the only `teacher_url`."""
    options.inside = None
    if options.engine in ("", "url"):
        if options.engine == "url" and not options.teacher_url:
            raise ValueError("--engine url asks a server that runs; say where by --teacher-url http://HOST:PORT")
        if idle := changed(options.own, options, ABOUT):
            raise ValueError(f"{idle} is about an engine that is started; name it with --engine, or leave that away")
        yield
        return
    if options.teacher_url:
        raise ValueError(
            f"--engine {options.engine} is started here, and --teacher-url names servers that run; leave one of them"
            " away"
        )
    if options.dry_run or options.batch_out or options.batch_in:
        raise ValueError(f"--engine {options.engine} would be started, and nothing is asked of it; leave --engine away")
    if not options.teacher_model:
        raise ValueError(f"--engine {options.engine} needs a model to start; name it with --teacher-model")
    if how := within(options):
        _check_within(options)
        with _inside(options, how):
            yield
        return
    settings = _settings(options, [options.teacher_model], "")
    try:
        plans = startable(settings)
    except SetupError:
        # Whatever boxes it speaks: a teacher is asked for words. What else is wrong is wrong this time, too.
        plans = _plans(options, replace(settings, family=next(iter(FAMILIES))))
    with started([replace(plan, pictures=PICTURES) for plan in plans]) as running:
        # The server has one model, and says itself what it calls it; a store has many.
        options.teacher_url, options.teacher_model = [running[0].url], running[0].plan.served.name
        yield


@contextmanager
def _inside(options: argparse.Namespace, how: inside.Inside) -> Iterator[None]:
    """Load a teacher inside this process, for commands that then ask it by `inside`."""
    from egm_core.asking.within import Within

    folder = resolve(options.teacher_model)
    with how.engine(folder, PICTURES) as engine:
        engine.wait_ready(how.start_timeout)
        # What vLLM's own server would call it, so that a ledger may be filled by both.
        name = folder.name if Path(options.teacher_model).expanduser().is_dir() else options.teacher_model
        options.inside, options.teacher_model = Within(engine, name), name
        yield


def _settings(options: argparse.Namespace, names: list[str], family: str) -> EngineSettings:
    return EngineSettings(
        names[0],
        amodal_model=names[1] if len(names) > 1 else "",
        family=family or "auto",
        offline=not getattr(options, "online", False),
        engine_python=options.engine_python,
        engine_api_key_env="",
        engine_start_timeout=options.engine_start_timeout,
        engine=options.engine,
        engine_precision=options.engine_precision,
        engine_memory_share=options.engine_memory_share,
        visible_adapter=getattr(options, "visible_adapter", ""),
        amodal_adapter=getattr(options, "amodal_adapter", ""),
    )


def _plans(options: argparse.Namespace, settings: EngineSettings) -> list[EnginePlan]:
    try:
        return startable(settings)
    except SetupError as error:
        raise ValueError(f"--engine {options.engine}: {error}") from error


def adapters(options: argparse.Namespace) -> dict[Task, str]:
    """Give the adapters that a command names by their task."""
    return {task: getattr(options, f"{task}_adapter") for task in TASKS if getattr(options, f"{task}_adapter", "")}


def within(options: argparse.Namespace) -> inside.Inside | None:
    """Say how vLLM runs inside the command; None where it does not."""
    if options.engine != inside.NAME:
        return None
    return inside.Inside(options.engine_precision, options.engine_memory_share, options.engine_start_timeout)


def runs(options: argparse.Namespace) -> str:
    """Say in words who runs the model, where this package's own engine does not."""
    return f"--engine {options.engine}" if options.engine else "the server at --engine-url"


def check(options: argparse.Namespace) -> None:
    """Raise ValueError where the engine's options contradict each other, or would do nothing."""
    if options.engine == "url" and not options.engine_url:
        raise ValueError("--engine url asks a server that runs; say where by --engine-url http://HOST:PORT")
    if options.engine not in ("", "url") and options.engine_url:
        raise ValueError(
            f"--engine {options.engine} is started here, and --engine-url names a server that runs; leave one of them"
            " away"
        )
    if options.engine in ("", "url") and (idle := changed(options.own, options, ABOUT)):
        raise ValueError(f"{idle} is about an engine that is started; name it with --engine, or leave that away")
    _check_within(options)


def _check_within(options: argparse.Namespace) -> None:
    if options.engine == inside.NAME and options.engine_python:
        raise ValueError(
            f"--engine {inside.NAME} runs in this very interpreter, and --engine-python names another one; leave that"
            " away, and run the command by the other one"
        )

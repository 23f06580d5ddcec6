"""The engines that are measured: this process's own, a server by name or address, and what others would take."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from egm_core.engines.base import Engine, EngineError
from egm_core.engines.devices import check_here
from egm_core.engines.http.keys import is_loopback
from egm_core.engines.http.served_models import Wanted
from egm_core.engines.openai import OpenAIEngine
from egm_core.evaluate.waiting import awaited
from egm_core.models.folder import EMBEDDED, ModelInfo, load_info, resolve
from egm_core.servers.known import SERVERS
from egm_core.supervise import chosen as own_engine
from egm_core.supervise.process import EngineProcess, free_port

OWN, GENERATE, SERVE = "in process", "generate", "transformers-serve"
STARTED = tuple(name for name, server in SERVERS.items() if server.start is not None)
AGAINST = (OWN.replace(" ", "-"), GENERATE, SERVE, *STARTED)


@dataclass(frozen=True)
class Ready:
    """An engine that can be asked. `here`: it runs on this machine, so that its memory and power are this one's.

    `precision` is the number format that it computes in, empty where only its model's own can be guessed. `why` says
    what a server printed as it failed.
    """

    engine: Engine
    info: ModelInfo
    here: bool
    precision: str
    logprobs: bool = True
    why: Callable[[], str] = str


def against(word: str) -> tuple[str, str]:
    """Take NAME, or NAME=PYTHON with the interpreter of that engine's environment."""
    name, _, python = word.partition("=")
    if name not in AGAINST:
        raise argparse.ArgumentTypeError(f"{word!r} must be NAME or NAME=PYTHON, with one of {', '.join(AGAINST)}")
    return name, python


def name_of(options: argparse.Namespace) -> str:
    """Name the engine that the options choose."""
    if options.engine not in ("", "url"):
        return str(options.engine)
    return str(options.engine_url) if options.engine_url else OWN


@contextmanager
def chosen(options: argparse.Namespace) -> Iterator[Ready]:
    """Give the engine that the options choose; raises EngineError, FileNotFoundError or ValueError with the remedy."""
    if options.engine in ("", "url") and not options.engine_url:
        with _own(options, OWN) as found:
            yield found
        return
    with own_engine.chosen(options, options.model, family=options.family) as running:
        plan = running[0].plan if running else None
        if plan is not None:
            assert plan.info is not None
            remote = OpenAIEngine(
                running[0].url,
                plan.served,
                "",
                plan.dialect,
                image_format=options.image_format,
                precision=plan.precision,
            )
            with remote:
                yield Ready(remote, plan.info, True, _precision(options, plan.engine))
            return
        wanted = Wanted(options.engine_model, (options.model, Path(options.model).name) if options.model else ())
        remote = OpenAIEngine(
            options.engine_url, wanted, options.api_key_env, image_format=options.image_format,
            clear_hosts=options.key_in_clear,
        )  # fmt: skip
        with remote:
            served = options.engine_model or awaited(remote, options.wait).model
            here = is_loopback(urlsplit(options.engine_url).hostname)
            yield Ready(remote, _info(options, served), here, "")


@contextmanager
def other(options: argparse.Namespace, name: str, python: str) -> Iterator[Ready]:
    """Give an engine to hold against the chosen one, with the same model and settings."""
    if name in (AGAINST[0], GENERATE):
        with _own(options, OWN if name == AGAINST[0] else GENERATE) as found:
            yield found
        return
    if name == SERVE:
        with _transformers_serve(options, python) as found:
            yield found
        return
    # All compute in the format that was asked for, by whichever of the two options.
    precision = options.engine_precision if options.engine_precision != "auto" else options.dtype
    values = {**vars(options), "engine": name, "engine_python": python, "engine_url": None}
    values["engine_precision"] = precision
    with chosen(argparse.Namespace(**values)) as found:
        yield found


@contextmanager
def _own(options: argparse.Namespace, name: str) -> Iterator[Ready]:
    """Run the model in this process: batches and grammars of this package, or `generate` as it is."""
    from egm_core.bench.generate import GenerateEngine
    from egm_core.engines.local import TransformersEngine

    check_here(options.device, options.dtype)
    folder = resolve(options.model or EMBEDDED)
    info = load_info(folder, family=options.family or None)
    budget = options.max_pixels or info.max_pixels
    kind = TransformersEngine if name == OWN else GenerateEngine
    engine = kind(folder, options.device, options.dtype, budget, options.threads)
    with engine:
        engine.wait_ready()
        yield Ready(engine, info, True, options.dtype)


@contextmanager
def _transformers_serve(options: argparse.Namespace, python: str) -> Iterator[Ready]:
    """Start `transformers serve` for the model; it knows no log-probabilities of pictures' answers."""
    folder = resolve(options.model or EMBEDDED).resolve()
    info = load_info(folder, family=options.family or None)
    program = Path(python).expanduser() if python else Path(sys.executable)
    port = free_port()
    words = [str(program), "-m", "transformers.cli.transformers", "serve", str(folder), "--host", "127.0.0.1"]
    words += ["--port", str(port), *(["--dtype", options.dtype] if options.dtype != "auto" else [])]
    with tempfile.TemporaryDirectory() as cache:
        # Without a folder for the hub's models its list of models fails, and so does its start.
        environment = {"HF_HUB_CACHE": cache, **os.environ, "HF_HUB_OFFLINE": "1"}
        process = EngineProcess(words, environment, lambda line: None)
        try:
            with OpenAIEngine(f"http://127.0.0.1:{port}", str(folder), "", "openai") as engine:
                _await(engine, process, options.engine_start_timeout)

                def why() -> str:
                    return next((line for line in reversed(process.tail) if "Error: " in line), "")

                yield Ready(engine, info, True, options.dtype, logprobs=False, why=why)
        finally:
            process.stop()


def _await(engine: OpenAIEngine, process: EngineProcess, patience: float) -> None:
    until = time.monotonic() + patience
    while engine.health().state != "ready":
        if process.poll() is not None:
            raise EngineError("engine_died", _last(process.obituary()))
        if time.monotonic() > until:
            raise EngineError("engine_start_timeout", f"transformers serve was not ready after {patience:g} s")
        time.sleep(0.2)


def _last(words: str) -> str:
    """Give the last line of what a program said: Python names the error there."""
    return words.strip().splitlines()[-1].strip()


def _info(options: argparse.Namespace, served: str) -> ModelInfo:
    """Describe a served model: by the folder that was named, else by the family that was told or its name tells."""
    from egm_core.families.known import check_served, check_told, family_of_name

    if options.model:
        info = load_info(resolve(options.model), family=options.family or None)
        if not options.family:
            check_served(served, info.family)
        return info
    if options.family:
        check_told(served, options.family)
    return ModelInfo(served or "remote", options.family or family_of_name(served))


def _precision(options: argparse.Namespace, engine: str) -> str:
    if options.engine_precision != "auto":
        return str(options.engine_precision)
    return "auto" if engine == "egm" else ""


BYTES: Mapping[str, int] = {"float32": 4, "bfloat16": 2, "float16": 2, "fp8": 1}


def bytes_a_value(ready: Ready, gpu: bool) -> int:
    """Say how many bytes a weight has: by the precision that was asked for, else by what the engine takes then.

    transformers computes in float32 on a processor; servers take what the checkpoint was saved in.
    """
    if ready.precision in BYTES:
        return BYTES[ready.precision]
    return 4 if ready.precision == "auto" and not gpu else 2

"""The model that `egm ground` asks: its options, what they may not be together, and the grounder made of them."""

from __future__ import annotations

import argparse
import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from egm_core.arguments import CORES, PIXELS, SECONDS, address, changed, device, number, whole
from egm_core.engines import Engine
from egm_core.engines.devices import DTYPES, check_here
from egm_core.engines.http.served_models import Wanted
from egm_core.engines.openai import OpenAIEngine
from egm_core.engines.pictures import FORMATS
from egm_core.families import FAMILIES, TASKS, Task
from egm_core.families.known import check_served, check_told, family_of_name
from egm_core.grounder import gate_file
from egm_core.grounder.grounder import Grounder
from egm_core.grounder.several.wanted import AS_WORDED, EVERY, MOST
from egm_core.models.calibration import note
from egm_core.models.folder import EMBEDDED, ModelInfo, load_info, resolve
from egm_core.servers.known import DIALECTS
from egm_core.supervise import chosen as own_engine
from egm_core.supervise.started import Running

_log = logging.getLogger("egm.ground")
_AMODAL = ("force_amodal", "amodal_model", "amodal_adapter")
_ADAPTERS = ("visible_adapter", "amodal_adapter")
_LOCAL = ("device", "dtype", "threads")
_SERVER = ("engine_model", "dialect", "api_key_env", "key_in_clear", "image_format", "ca_bundle", "insecure")


@dataclass(frozen=True)
class Opened:
    """A grounder that is ready, the first model's engine, and what its folder and that of the amodal one describe."""

    grounder: Grounder
    engine: Engine
    info: ModelInfo
    amodal: ModelInfo

    def lacks(self, options: argparse.Namespace, scored: bool, thought: bool) -> Iterator[str]:
        """Say what the answers lack although their user may expect it; `scored`: they had scores of the engine's."""
        kind = self.engine.kind() if scored else None
        yield from lacks(options, kind, self.info, self.grounder.tasks, self.amodal, thought)


@contextmanager
def opened(options: argparse.Namespace, at_once: int = 4) -> Iterator[Opened]:
    """Start or find the model or models that the options name, and make the grounder that asks them."""
    with ExitStack() as stack:
        models = (options.model, *([options.amodal_model] if options.amodal_model else []))
        running = stack.enter_context(own_engine.chosen(options, *models, family=options.family or ""))
        if running:
            adapters = dict(running[0].plan.asked)
            engine, info = _started(options, running[0], stack)
            other, other_info = _started(options, running[1], stack) if len(running) > 1 else (None, None)
        else:
            adapters = own_engine.adapters(options)
            engine, info = _model(options, options.model, stack)
            other, other_info = _model(options, options.amodal_model, stack) if options.amodal_model else (None, None)
        grounder = Grounder(
            engine,
            info,
            amodal_engine=other,
            amodal_info=other_info,
            tasks=("visible",) if options.visible_only else None,
            force_amodal=options.force_amodal,
            max_pixels=options.max_pixels,
            min_score=options.min_score,
            reasoning=not options.no_reasoning,
            constrain=options.constrain,
            out_of_domain=options.out_of_domain,
            deadline=options.deadline or 0.0,
            at_once=at_once,
            adapters=adapters,
            max_objects=options.max_objects,
        )
        stack.callback(grounder.close)
        yield Opened(grounder, engine, info, other_info or info)


def lacks(
    options: argparse.Namespace,
    kind: str | None,
    info: ModelInfo,
    tasks: tuple[Task, ...],
    amodal: ModelInfo,
    thought: bool = True,
) -> Iterator[str]:
    """Say what this call does not ask for or cannot know, although its user may expect it, with the remedy.

    `kind` is the program that gave the score, None where there is no score; `thought`: the model was free to think.
    """
    folder = "name the model's folder with --model" if options.engine_url and not options.model else ""
    if "amodal" not in tasks and not options.visible_only:
        remedies = ", or ".join(
            filter(None, (folder, "ask it all the same with --force-amodal", "ask another with --amodal-model"))
        )
        known = "nothing says that" if amodal.path is None else "by its folder"
        trained = "was trained for amodal boxes" if amodal.path is None else "was trained for visible boxes only"
        yield f"no amodal box is asked for: {known} {amodal.name} {trained}; {remedies}"
    if options.deadline and not options.no_reasoning and (rule := gate_file.note(info.path)):
        yield rule
    if kind is None:
        return
    if options.visible_adapter:
        yield f"scores are the engine's own, and no probabilities: none were calibrated for {options.visible_adapter}"
        return
    if raw := note(info.path, kind, thought):
        yield f"{raw}; {folder}" if folder else raw


def _model(options: argparse.Namespace, name: str | None, stack: ExitStack) -> tuple[Engine, ModelInfo]:
    """Make a ready engine and the description of its model, from a folder or for a server."""
    if options.engine_url:
        remote = OpenAIEngine(
            options.engine_url,
            model=_served(options, name),
            api_key_env=options.api_key_env,
            dialect=options.dialect,
            verify=options.ca_bundle or not options.insecure,
            image_format=options.image_format,
            clear_hosts=options.key_in_clear,
        )
        stack.enter_context(remote)
        _log.debug("asking %s", options.engine_url)
        if name:
            info = load_info(resolve(name, offline=not options.online), family=options.family)
            if not options.family:
                check_served(options.engine_model or remote.health().model, info.family)
        else:
            health = remote.health()
            served = options.engine_model or health.model
            if not served and not options.family and health.state != "ready":
                raise ValueError(f"{health.detail}; name its model, too: --model or --family")
            if options.family:
                check_told(served, options.family)
            info = ModelInfo(served or "remote", options.family or _family_of(served))
        return remote, info
    from egm_core.engines.local import TransformersEngine

    check_here(options.device, options.dtype)
    path = resolve(name or EMBEDDED, offline=not options.online)
    info = load_info(path, family=options.family)
    budget = options.max_pixels or info.max_pixels
    local = TransformersEngine(path, options.device, options.dtype, budget, options.threads, batch_wait=0.03)
    stack.enter_context(local)
    began = time.monotonic()
    local.wait_ready()
    _log.debug("%s of %s is loaded after %.1f s", info.name, path, time.monotonic() - began)
    return local, info


def _started(options: argparse.Namespace, running: Running, stack: ExitStack) -> tuple[Engine, ModelInfo]:
    """Make the engine of a server that this call has started, and the description of its model."""
    plan = running.plan
    remote = OpenAIEngine(
        running.url, plan.served, "", plan.dialect, image_format=options.image_format, precision=plan.precision
    )
    stack.enter_context(remote)
    assert plan.info is not None
    return remote, plan.info


def refuse_contradictions(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Raise ValueError where options cannot hold together; say which do nothing where that changes no answer."""
    idle = changed(parser, options, _AMODAL) if options.visible_only else ""
    if idle:
        raise ValueError(f"{idle} is about amodal boxes, and --visible-only asks for none; leave one of them away")
    if options.deadline and options.timeout and options.deadline > options.timeout:
        raise ValueError("--deadline is over --timeout, which gives up before; lower it, or raise --timeout")
    if options.deadline and options.constrain == "off":
        raise ValueError(
            "--deadline begins without thinking, which holds by the grammar, and --constrain off sends none"
        )
    if options.no_reasoning and options.constrain == "off":
        raise ValueError("--no-reasoning holds by the grammar, and --constrain off sends none; leave one of them away")
    if options.no_reasoning and options.deadline:
        _log.warning(
            "--deadline bounds the first box alone: --no-reasoning lets no thought follow; leave that away to think"
            " where there is time"
        )
    if options.insecure and options.ca_bundle:
        raise ValueError("--insecure verifies nothing, and --ca-bundle says with what to; leave one of them away")
    own_engine.check(options)
    idle = changed(parser, options, _ADAPTERS)
    if idle and options.engine != "vllm" and not options.engine_url:
        raise ValueError(
            f"{idle} is for --engine vllm, or a server at --engine-url that has the adapter; name one of them, or merge"
            " the adapter into the model"
        )
    started = options.engine not in ("", "url")
    idle = changed(parser, options, [name for name in _SERVER if not (started and name == "image_format")])
    if idle and not options.engine_url:
        raise ValueError(f"{idle} is about a server, and there is none; name it with --engine-url, or leave that away")
    if options.api_key_env != parser.get_default("api_key_env") and not os.environ.get(options.api_key_env):
        raise ValueError(f"--api-key-env: {options.api_key_env} is empty; put the key into that environment variable")
    idle = changed(parser, options, _LOCAL) if options.engine_url or started else ""
    if idle:
        by = f"the engine {options.engine}" if started else "the server at --engine-url"
        _log.warning("%s does nothing: %s runs the model", idle, by)


def _family_of(served: str) -> str:
    if not served:
        raise ValueError("say which model the server has: --model FOLDER, or --family for one without a folder")
    return family_of_name(served)


def _served(options: argparse.Namespace, name: str | None) -> Wanted:
    """Say what the server may call a model: two of one server are told apart by their folders' names."""
    if not options.amodal_model:
        return Wanted(options.engine_model or "", (name, Path(name).name) if name else ())
    if options.engine_model:
        raise ValueError("--engine-model names one model, and --amodal-model asks for two; leave --engine-model away")
    return Wanted("", (name, Path(name).name) if name else (), alone=False)


def _objects(written: str) -> int:
    """Read how many objects are asked for: a number, all, or auto."""
    named = {"all": EVERY, "auto": AS_WORDED}
    return named[written] if written in named else int(whole(1, MOST)(written))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of how is asked, and of the model that answers."""
    parser.add_argument("--no-reasoning", action="store_true", help="forbid the model to think first")
    parser.add_argument("--visible-only", action="store_true", help="ask for the visible box only")
    parser.add_argument(
        "--force-amodal", action="store_true", help="ask models for amodal boxes that do not declare them"
    )
    parser.add_argument("--min-score", type=number(0, 1), default=0.0, help="lower scores: absent, reason low_score")
    parser.add_argument(
        "--max-objects",
        type=_objects,
        default=AS_WORDED,
        metavar="N",
        help="objects to find at most: a number up to 200, all, or auto: one, but every match where the words ask for "
        "several, as 'every cup' does (default: auto)",
    )
    parser.add_argument("--timeout", type=SECONDS, help="seconds to wait for the answers")
    parser.add_argument(
        "--deadline",
        type=SECONDS,
        help="seconds until the answer must be out: a box without thinking first, then thinking where that is worth it"
        " (default: none)",
    )
    parser.add_argument("--constrain", choices=["auto", "off", "regex"], default="auto", help="grammar on the answer")
    parser.add_argument(
        "--out-of-domain",
        choices=["warn", "absent"],
        default="warn",
        help="what becomes of answers about words or images unlike the model's training, where its folder tells them",
    )
    model = parser.add_argument_group("model")
    model.add_argument("--model", help=f"model folder (default: the embedded {EMBEDDED})")
    model.add_argument("--amodal-model", help="another model folder for amodal boxes")
    for task in TASKS:
        model.add_argument(
            f"--{task}-adapter", default="", metavar="LORA",
            help=f"LoRA adapter for {task} boxes: a folder for --engine vllm, or its name at --engine-url "
            "(default: none)",
        )  # fmt: skip
    model.add_argument(
        "--family",
        choices=sorted(FAMILIES),
        help="the model's family (default: what its folder or its name tells)",
    )
    model.add_argument("--max-pixels", type=PIXELS, help="pixel budget (default: the model's own)")
    model.add_argument("--online", action="store_true", help="allow a hub name as model, and download it")
    local = parser.add_argument_group("model in this process")
    local.add_argument("--device", type=device, default="auto", help="auto, cpu, cuda or cuda:N")
    local.add_argument("--dtype", choices=DTYPES, default="auto", help="number format; auto is float32 on a CPU")
    local.add_argument("--threads", type=CORES, help="torch's threads (default: torch decides)")
    own_engine.add(parser.add_argument_group("engine that is started for the call"))
    server = parser.add_argument_group("model behind a server")
    server.add_argument(
        "--engine-url", type=address, metavar="URL", help="an OpenAI-compatible server, http://host:port"
    )
    server.add_argument("--engine-model", help="the model's name there (default: the folder's, or its only one)")
    server.add_argument("--dialect", choices=["auto", *DIALECTS], default="auto", help="kind of server")
    server.add_argument("--api-key-env", default="OPENAI_API_KEY", help="environment variable with the API key")
    server.add_argument(
        "--key-in-clear", action="append", default=[], metavar="HOST", help="host that may have the key without TLS"
    )
    server.add_argument("--image-format", choices=FORMATS, default="png", help="how the image is sent")
    server.add_argument("--ca-bundle", help="CA bundle to verify the server with (default: the system's)")
    server.add_argument("--insecure", action="store_true", help="do not verify the server's certificate")

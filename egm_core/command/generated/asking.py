"""How generated scenes are asked about: the options of commands that ask, and the answers that come."""

from __future__ import annotations

import argparse
import logging

from tqdm import tqdm

from egm_core.arguments import CORES, COUNT, Parser, address, changed, device
from egm_core.engines.devices import check_here
from egm_core.evaluate.scores import Row
from egm_core.evaluate.shares import Evaluation, evaluate
from egm_core.evaluate.waiting import add_wait
from egm_core.models.folder import EMBEDDED
from egm_core.supervise import chosen as own_engine

_log = logging.getLogger("egm.evaluate")
_ASKED = (
    "queries_per_scene",
    "engine",
    "engine_url",
    "key_in_clear",
    "wait",
    "device",
    "threads",
    "batch",
    "processes",
    "workers",
    "first_seed",
    "scenes",
    "no_reasoning",
)


def options() -> Parser:
    """Make the options of a command that asks, as a parent of its parser."""
    own = Parser(add_help=False)
    own.add_argument("--queries-per-scene", type=COUNT, default=3, help="expressions per scene, each asked twice")
    own.add_argument("--model", default=EMBEDDED, help="model folder, or the embedded model's name")
    own.add_argument("--engine-url", type=address, help="ask this OpenAI-compatible server; --model says how to ask")
    own_engine.add(own, in_process=True)
    own.add_argument(
        "--key-in-clear", action="append", default=[], metavar="HOST", help="host that may have the key without TLS"
    )
    add_wait(own)
    own.add_argument("--device", type=device, default="auto", help="torch device of the in-process engine")
    own.add_argument("--threads", type=CORES, help="torch's threads in this process (default: torch decides)")
    own.add_argument("--batch", type=COUNT, default=32, help="queries answered together; up to 96 for egm_tiny")
    own.add_argument("--processes", type=CORES, default=1, help="processes that render and answer, a core each")
    own.add_argument("--workers", type=CORES, default=1, help="processes that only render for one that answers")
    return own


def refuse_idle(own: Parser, arguments: argparse.Namespace) -> None:
    """End the command where options would do nothing, or its work could not be kept; say what changes no answer."""
    if arguments.json and not arguments.json.parent.is_dir():
        own.error(f"--json: there is no folder {arguments.json.parent} to write into; make it first")
    if arguments.command == "calibrate" and arguments.result and (idle := changed(own, arguments, _ASKED)):
        own.error(f"{idle} is about asking, and --result takes answers that are there; leave one of them away")
    if (arguments.engine_url or arguments.engine) and (idle := changed(own, arguments, ("device", "threads"))):
        _log.warning("%s does nothing: %s runs the model", idle, own_engine.runs(arguments))


def evaluation(arguments: argparse.Namespace) -> Evaluation:
    """Read what is to be asked; ValueError where it cannot be."""
    inside = own_engine.within(arguments)
    if inside and (arguments.processes > 1):
        raise ValueError(
            f"--processes {arguments.processes} would load vLLM as often; leave that away, and say how many processes "
            "render by --workers"
        )
    if not arguments.engine_url and not inside:
        check_here(arguments.device)
    return Evaluation(
        model=arguments.model,
        first_seed=arguments.first_seed,
        scenes=arguments.scenes,
        queries_per_scene=arguments.queries_per_scene,
        reasoning=not arguments.no_reasoning,
        mode=arguments.mode,
        engine_url=arguments.engine_url,
        key_in_clear=tuple(arguments.key_in_clear),
        device=arguments.device,
        threads=arguments.threads,
        batch=arguments.batch,
        wait=arguments.wait,
        inside=inside,
        precision=arguments.engine_precision,
    )


def rows_of(asked: Evaluation, arguments: argparse.Namespace) -> tuple[list[Row], float, int]:
    """Ask everything; gives the scored answers, the seconds that they took, and about how many scenes they are.

    Ctrl-C ends it with what was reached; KeyboardInterrupt where that is nothing.
    """
    rows: list[Row] = []
    seconds, scenes = 0.0, 0
    with tqdm(total=asked.scenes, unit="scene", desc="asking", disable=None) as bar:
        try:
            for share in evaluate(asked, arguments.processes, arguments.workers):
                rows += share.rows
                seconds += share.seconds
                scenes += share.scenes
                bar.update(share.scenes)
        except KeyboardInterrupt:
            if not rows:
                raise
    return rows, seconds, scenes

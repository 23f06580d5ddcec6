"""`egm evaluate every`: asks a model for every match in generated scenes, and prints gRefCOCO's figures."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tqdm import tqdm

from egm_core import notes
from egm_core.arguments import CORES, SCENES, SEED, Parser, address, changed, device
from egm_core.console import INTERRUPTED
from egm_core.engines import Engine
from egm_core.engines.devices import check_here
from egm_core.evaluate.asking import rendered
from egm_core.evaluate.every.questions import every_questions
from egm_core.evaluate.every.scoring import Scored, table
from egm_core.evaluate.reports import learnt
from egm_core.evaluate.reports.intervals import legend
from egm_core.grounder.grounder import Grounder
from egm_core.grounder.several.wanted import EVERY, ONE
from egm_core.models.folder import EMBEDDED, ModelInfo, load_info, resolve
from egm_core.scenes.truth import EVALUATION_FIRST_SEED, Scene

_log = logging.getLogger("egm.evaluate")


def add(commands: Any) -> None:
    """Add the command to those of `egm evaluate`."""
    own: Parser = commands.add_parser(
        "every",
        help="ask a model for every match: about no object, one, and several",
        description="Ask a model for every match in generated scenes, about no object, one, and several, and print\n"
        "gRefCOCO's figures by IoU of at least 0.5: F1 = 1, N-acc and T-acc.",
        example="--scenes 200 --json out/every.json",
    )
    own.add_argument("--first-seed", type=SEED, default=EVALUATION_FIRST_SEED, help="seed of the first scene")
    own.add_argument("--scenes", type=SCENES, default=200, help="number of scenes")
    own.add_argument("--model", default=EMBEDDED, help="model folder, or the embedded model's name")
    own.add_argument("--engine-url", type=address, help="ask this OpenAI-compatible server; --model says how to ask")
    own.add_argument("--device", type=device, default="auto", help="torch device of the in-process engine")
    own.add_argument("--threads", type=CORES, help="torch's threads in this process (default: torch decides)")
    own.add_argument("--no-reasoning", action="store_true", help="forbid reasoning by the family's grammar")
    own.add_argument("--as-one", action="store_true", help="ask for one object, to hold the figures against")
    own.add_argument("--json", type=Path, help="write a record for each answer here")
    notes.add_options(own)


def run(arguments: argparse.Namespace) -> int:
    """Ask, print and keep; gives the exit status."""
    if arguments.json and not arguments.json.parent.is_dir():
        arguments.own.error(f"--json: there is no folder {arguments.json.parent} to write into; make it first")
    if arguments.engine_url and (idle := changed(arguments.own, arguments, ("device", "threads"))):
        _log.warning("%s does nothing: the server at --engine-url runs the model", idle)
    for words in learnt.of_seeds(arguments.first_seed, arguments.scenes):
        _log.warning("%s", words)
    info = load_info(resolve(arguments.model))
    rows: list[Scored] = []
    reached = 0
    with ExitStack() as stack:
        most = ONE if arguments.as_one else EVERY
        grounder = Grounder(
            _engine(arguments, info, stack), info, reasoning=not arguments.no_reasoning, max_objects=most
        )
        stack.callback(grounder.close)
        scenes = rendered(arguments.first_seed, arguments.scenes)
        try:
            for scene in tqdm(scenes, total=arguments.scenes, unit="scene", desc="asking", disable=None):
                rows += list(asked(grounder, scene, arguments.as_one))
                reached += 1
        except KeyboardInterrupt:
            if not rows:
                raise
    manner = "; reasoning forbidden" if arguments.no_reasoning else ""
    manner += "; asked for one object" if arguments.as_one else ""
    print(f"{info.name} {info.version}: every match in {reached} scenes from seed {arguments.first_seed}{manner}\n")
    print(table(rows, "amodal" in grounder.tasks))
    print("\nobjects found: the share of the true objects that a box matches; boxes right: the share of the boxes.")
    print(legend("scenes"))
    if arguments.json:
        about = {"model": info.name, "version": info.version, "first_seed": arguments.first_seed, "scenes": reached,
                 "reasoning": not arguments.no_reasoning, "of": "every match", "as_one": arguments.as_one}  # fmt: skip
        arguments.json.write_text(json.dumps({"about": about, "answers": [row.to_json() for row in rows]}))
        print(f"the result: {arguments.json}")
    if reached < arguments.scenes:
        _log.error("interrupted: the figures are of %d of %d scenes", reached, arguments.scenes)
        return INTERRUPTED
    return 0


def asked(grounder: Grounder, scene: Scene, as_one: bool = False) -> Iterable[Scored]:
    """Ask the questions of a scene; `as_one` in the words for one object."""
    for question in every_questions(scene):
        words = question.text.replace("every ", "the ", 1) if as_one else question.text
        yield Scored.of(question, grounder.ground(scene.image, words))


def _engine(arguments: argparse.Namespace, info: ModelInfo, stack: ExitStack) -> Engine:
    if arguments.engine_url:
        from egm_core.engines.openai import OpenAIEngine

        return stack.enter_context(OpenAIEngine(arguments.engine_url))
    from egm_core.engines.local import TransformersEngine

    check_here(arguments.device, "auto")
    local = TransformersEngine(
        resolve(arguments.model), arguments.device, "auto", info.max_pixels, arguments.threads, batch_wait=0.03
    )
    stack.enter_context(local)
    local.wait_ready()
    return local

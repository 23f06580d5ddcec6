"""`egm evaluate every`: asks a model for every match in generated scenes, or gRefCOCO's, and prints its figures."""

from __future__ import annotations

import argparse
import json
import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tqdm import tqdm

from egm_core import notes
from egm_core.arguments import CORES, SCENES, SEED, Parser, address, changed, device
from egm_core.command.several import posed
from egm_core.console import INTERRUPTED
from egm_core.engines import Engine
from egm_core.engines.devices import check_here
from egm_core.evaluate.every.scoring import Scored, table
from egm_core.evaluate.reports.intervals import legend
from egm_core.grounder.grounder import Grounder
from egm_core.grounder.several.wanted import EVERY, ONE
from egm_core.models.folder import EMBEDDED, ModelInfo, load_info, resolve
from egm_core.scenes.truth import EVALUATION_FIRST_SEED

THEIRS = (
    "By gRefCOCO's code boxes match by GIoU of at least 0.5, and an unreadable answer says that nothing is there. That"
    " code leaves out boxes with a score below 0.7, which is not done here."
)
_log = logging.getLogger("egm.evaluate")


def add(commands: Any) -> None:
    """Add the command to those of `egm evaluate`."""
    own: Parser = commands.add_parser(
        "every",
        help="ask a model for every match: about no object, one, and several",
        description="Ask a model for every match in generated scenes or gRefCOCO's images, about no object, one, and\n"
        "several, and print gRefCOCO's figures by IoU of at least 0.5: F1 = 1, N-acc and T-acc.",
        example="--scenes 200 --json out/every.json\n"
        "--grefcoco data/grefcoco --split val --images coco/train2014 --sample 1000",
    )
    own.add_argument("--first-seed", type=SEED, default=EVALUATION_FIRST_SEED, help="seed of the first scene")
    own.add_argument("--scenes", type=SCENES, default=200, help="number of scenes")
    own.add_argument("--model", default=EMBEDDED, help="model folder, or the embedded model's name")
    own.add_argument("--engine-url", type=address, help="ask this OpenAI-compatible server; --model says how to ask")
    own.add_argument("--device", type=device, default="auto", help="torch device of the in-process engine")
    own.add_argument("--threads", type=CORES, help="torch's threads in this process (default: torch decides)")
    own.add_argument("--no-reasoning", action="store_true", help="forbid reasoning by the family's grammar")
    own.add_argument("--as-one", action="store_true", help="ask for one object, to hold the figures against")
    posed.add(own)
    own.add_argument("--json", type=Path, help="write a record for each answer here")
    notes.add_options(own)


def run(arguments: argparse.Namespace) -> int:
    """Ask, print and keep; gives the exit status."""
    if arguments.json and not arguments.json.parent.is_dir():
        arguments.own.error(f"--json: there is no folder {arguments.json.parent} to write into; make it first")
    if arguments.engine_url and (idle := changed(arguments.own, arguments, ("device", "threads"))):
        _log.warning("%s does nothing: the server at --engine-url runs the model", idle)
    info, of = load_info(resolve(arguments.model)), posed.chosen(arguments)
    rows: list[Scored] = []
    reached = 0
    with ExitStack() as stack:
        grounder = Grounder(
            _engine(arguments, info, stack),
            info,
            tasks=of.tasks,
            reasoning=not arguments.no_reasoning,
            max_objects=ONE if arguments.as_one else EVERY,
        )
        stack.callback(grounder.close)
        try:
            for image, questions in tqdm(of.shown, total=of.count, unit=of.what[:-1], desc="asking", disable=None):
                if image is not None:
                    rows += [Scored.of(one, grounder.ground(image, one.text)) for one in questions]
                reached += 1
        except KeyboardInterrupt:
            if not rows:
                raise
    if not rows:
        raise ValueError("no image can be used, so nothing was asked; see the warnings above")
    manner = "; reasoning forbidden" if arguments.no_reasoning else ""
    manner += "; asked for one object" if arguments.as_one else ""
    print(f"{info.name} {info.version}: every match in {reached} {of.words}{manner}\n")
    print(table(rows, "amodal" in grounder.tasks, of.by_theirs))
    print("\nobjects found: the share of the true objects that a box matches; boxes right: the share of the boxes.")
    print(f"{THEIRS}\n{legend(of.what)}" if of.by_theirs else legend(of.what))
    if arguments.json:
        about = {"model": info.name, "version": info.version, **of.about, of.what: reached,
                 "reasoning": not arguments.no_reasoning, "of": "every match", "as_one": arguments.as_one}  # fmt: skip
        arguments.json.write_text(json.dumps({"about": about, "answers": [row.to_json() for row in rows]}))
        print(f"the result: {arguments.json}")
    if reached < of.count:
        _log.error("interrupted: the figures are of %d of %d %s", reached, of.count, of.what)
        return INTERRUPTED
    return 0


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

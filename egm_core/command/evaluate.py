"""`egm evaluate`: asks a model about generated scenes or sample files, and prints tables.

`scenes`, `refer`, `amodal` and `every` ask, `growth` measures for answers without a model, `compare` and `tables` set
stored results beside each other, `mix` tells what is asked, `calibrate` turns scores into probabilities, `reliability`
says what those are worth, and `pilot` whether a family's frame fits. `table`, `latency` and `failures` are the paper's
layouts.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.command import failures, growth, paper_tables, pilot, refer, report
from egm_core.command.generated import asking, calibrate, compare, mix, reliability, scenes, tables
from egm_core.command.several import every
from egm_core.command.thinking import front, gate
from egm_core.console import attempt
from egm_core.supervise import chosen as own_engine


def parser(prog: str = "egm evaluate") -> Parser:
    """Make the parser of the command line."""
    parser = Parser(
        prog=prog,
        description="Evaluate grounding models on generated scenes and on sample files.",
        example="scenes --scenes 1000 --processes 2 --json out/tiny.json\ncompare out/first.json out/second.json",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    scenes.add(commands)
    compare.add(commands)
    tables.add(commands)
    mix.add(commands)
    calibrate.add(commands)
    pilot.add(commands)
    report.add(commands)
    reliability.add(commands)
    refer.add(commands)
    growth.add(commands)
    paper_tables.add(commands)
    failures.add(commands)
    gate.add(commands)
    front.add(commands)
    every.add(commands)
    return parser


def main(argv: Sequence[str] | None = None, prog: str = "egm evaluate") -> int:
    """Run the command line; gives the exit status."""
    arguments = parser(prog).parse_args(argv)
    notes.begin(arguments)
    if arguments.command in ("scenes", "calibrate"):
        asking.refuse_idle(arguments.own, arguments)
        return attempt(lambda: _with_engine(arguments))
    return attempt(lambda: COMMANDS[arguments.command](arguments))


def _with_engine(arguments: argparse.Namespace) -> int | None:
    """Ask the engine that is to be started for this run, or the one that is there."""
    with own_engine.chosen(arguments, arguments.model):
        return COMMANDS[arguments.command](arguments)


COMMANDS = {
    "scenes": scenes.run,
    "compare": compare.run,
    "tables": tables.run,
    "mix": mix.run,
    "calibrate": calibrate.run,
    "reliability": reliability.run,
    "pilot": pilot.run,
    "refer": refer.run,
    "amodal": refer.run,
    "growth": growth.run,
    "table": paper_tables.run_table,
    "latency": paper_tables.run_latency,
    "report": report.run,
    "theirs": paper_tables.run_theirs,
    "failures": failures.run,
    "gate": gate.run,
    "front": front.run,
    "every": every.run,
}

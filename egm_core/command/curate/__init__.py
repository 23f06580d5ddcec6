"""`egm curate`: has a teacher write reasoning and expressions, checks them, and makes sets of them.

Each command is a module with `add(commands)`, which adds its parser and says by `run` what it does.
"""

from __future__ import annotations

import argparse

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.command.curate import amodal_benchmark, amodal_train, audit, express, leaks, prompts, reason, verify
from egm_core.console import attempt
from egm_core.supervise import chosen as own_engine

COMMANDS = (express, verify, reason, leaks, amodal_train, amodal_benchmark, audit, prompts)


def parser(prog: str = "egm curate") -> Parser:
    """Make the parser of the command line."""
    made = Parser(
        prog=prog,
        description="Have a teacher model write reasoning and expressions for samples, and check what it wrote.",
        example="prompts reason_visible",
    )
    commands = made.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add(commands)
    for own in commands.choices.values():
        if own.get_default("teacher_url") is not None:
            own_engine.add(own.add_argument_group("engine that is started as the teacher"), in_process=True)
    return made


def main(arguments: list[str] | None = None, prog: str = "egm curate") -> int:
    """Run the command line and return its exit status."""
    options = parser(prog).parse_args(arguments)
    notes.begin(options)
    return attempt(lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    """Run a command, with a teacher that is started for it where one is named."""
    if not hasattr(options, "engine"):
        return int(options.run(options) or 0)
    with own_engine.teaching(options):
        return int(options.run(options) or 0)

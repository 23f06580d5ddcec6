"""`egm data`: turns the files of the field's data sets into samples, and works on sample files.

Each command is a module with `add(commands)`, which adds its parser and says by `run` what it does.
"""

from __future__ import annotations

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.command.data import check, convert, decontaminate, questions, show, stats, training_set, write
from egm_core.console import attempt

COMMANDS = (convert, training_set, questions, write, show, stats, check, decontaminate)


def parser(prog: str = "egm data") -> Parser:
    """Make the parser of the command line."""
    made = Parser(
        prog=prog,
        description="Turn the files of data sets into samples, which training and evaluation read.",
        example="convert internvl --file refcoco_val.jsonl --images coco/train2014 --out val.jsonl",
    )
    commands = made.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add(commands)
    return made


def main(arguments: list[str] | None = None, prog: str = "egm data") -> int:
    """Run the command line and return its exit status."""
    options = parser(prog).parse_args(arguments)
    notes.begin(options)
    return attempt(lambda: options.run(options))

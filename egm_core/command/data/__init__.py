"""`egm data`: turns the files of the field's data sets into samples, and works on sample files.

Each command is a module with `add(commands)`, which adds its parser and says by `run` what it does. Exit status: 1
where something could not be written, 2 for files or arguments that cannot be used.
"""

from __future__ import annotations

import logging

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.command.data import convert
from egm_core.data.readers.kind import DataError
from egm_core.sample import SampleError

COMMANDS = (convert,)
_log = logging.getLogger("egm.data")


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
    notes.speak(notes.loudness(options), "error: ")
    try:
        options.run(options)
    except BrokenPipeError:
        raise
    except (DataError, SampleError, FileNotFoundError) as error:
        _log.error("%s", error)
        return 2
    except OSError as error:
        _log.error("%s", error)
        return 1
    return 0

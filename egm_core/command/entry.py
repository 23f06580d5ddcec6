"""`egm VERB ...`: lists the verbs, and runs one."""

from __future__ import annotations

import logging
import sys
from importlib import import_module

from egm_core import __version__, notes
from egm_core.arguments import meant
from egm_core.command.verbs import Verb, verbs
from egm_core.console import WRONG, finish

DOCTOR = "egm doctor says what each job needs"


def main(arguments: list[str] | None = None) -> int:
    """Run the verb that the arguments begin with; gives the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    notes.speak(logging.INFO, "egm: ")
    known = verbs()
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview(known))
        return 0 if words else WRONG
    name, *rest = words
    if name == "--version":
        print(f"egm {__version__}")
        return 0
    if name not in known:
        return _refuse(f"there is no verb {name!r}{meant(name, known)} (egm --help lists them)")
    verb = known[name]
    notes.speak(logging.INFO, f"egm {name}: ")
    if verb.lacking:
        return _refuse(f"needs {' and '.join(verb.lacking)}, which this Python lacks; {verb.remedy or DOCTOR}")
    return verb.run(rest)


def as_module(verb: str, prog: str, arguments: list[str] | None, **more: bool) -> int:
    """Run a verb of the core under another name, such as `python -m egm_core.serve`; gives the exit status."""
    notes.speak(logging.INFO, f"{prog.removeprefix('python -m ')}: ")
    return int(import_module(f"egm_core.command.{verb}").main(arguments, prog, **more))


def overview(known: dict[str, Verb]) -> str:
    """Write the list of the verbs, and below it those that cannot run here, with what they lack."""
    lines = ["usage: egm VERB ...", "", "Grounds instructions in images: visible and amodal boxes.", ""]
    lines += [f"  {verb.name:10} {verb.summary}" for verb in known.values() if not verb.lacking]
    absent = [f"{verb.name} (lacks {', '.join(verb.lacking)})" for verb in known.values() if verb.lacking]
    lines += ["", "egm VERB --help says what a verb takes, with defaults and an example."]
    return "\n".join([*lines, *([f"Not offered here: {', '.join(absent)}."] if absent else [])])


def run() -> None:
    """Run the command line as the program `egm`, and end it as its user expects."""
    sys.exit(finish(main))


def _refuse(why: str) -> int:
    logging.getLogger("egm.command").error("%s", why)
    return WRONG

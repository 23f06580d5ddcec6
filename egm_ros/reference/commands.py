"""The reference page of the command line, made from the parsers of the verbs of `egm`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from egm_core.arguments import Number
from egm_core.command.verbs import verbs
from egm_ros.reference.markdown import code, page, section, table

INTRODUCTION = """
`egm VERB` and `python -m egm_core.VERB` do the same for `ground` (which then prints JSON), `serve`, `scenes`, `data`,
`train` and `evaluate`. In a checkout, write `tools/egm` for `egm`. The verbs `demo` and `record` are there where ROS 2
is. `egm train STAGE --help` lists the settings of a stage, as the pages beside this one do. The nodes take ROS
arguments: see the page of each node.

## How a command ends

| Exit status | When |
| --- | --- |
| 0 | It is done. `egm ground`: found or absent. `egm serve`: SIGTERM or Ctrl-C ended it. |
| 1 | It failed while it worked. `egm ground`: no answer came. `egm doctor`: the job lacks something. |
| 2 | What was typed or given cannot be used: an option, a file, a setting, a folder. Or a library is missing. |
| 130 | Ctrl-C. |
| 141 | Whoever read the output closed it, as `head` does. |

Errors are one line on stderr that begins with the command, such as `egm ground: `, and names the remedy. `-v` adds
where in the code it was. Results go to stdout, and all else to stderr."""


def commands() -> str:
    """Make the page of all verbs."""
    parsers = [form for verb in verbs().values() for form in _forms(import_module(verb.module), f"egm {verb.name}")]
    return page("The command line", INTRODUCTION.strip(), *(part for one in parsers for part in sections(one)))


def _forms(module: Any, prog: str) -> list[argparse.ArgumentParser]:
    """Make the parsers of a verb: one, or one for each of its forms."""
    return module.forms(prog) if hasattr(module, "forms") else [module.parser(prog)]


def sections(parser: argparse.ArgumentParser, level: int = 2) -> Iterator[str]:
    """Make the section of a command and those of its subcommands."""
    words = [paragraph(parser.description), usage(parser), arguments(parser), example(parser)]
    yield section(code(parser.prog), "\n\n".join(filter(None, words)), level)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            told = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, child in action.choices.items():
                child.description = child.description or _sentence(told.get(name, ""))
                yield from sections(child, level + 1)


def usage(parser: argparse.ArgumentParser) -> str:
    """Show how a command is called."""
    optional = any(action.option_strings for action in parser._actions if not isinstance(action, argparse._HelpAction))
    words = [parser.prog, "[OPTION ...]"] if optional else [parser.prog]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            words.append("|".join(action.choices))
        elif not action.option_strings:
            words.append(parser._get_formatter()._format_args(action, str(action.metavar or action.dest)))
    return f"```\n{' '.join(words)}\n```"


def example(parser: argparse.ArgumentParser) -> str:
    """Show the example that ends a command's help."""
    lines = (parser.epilog or "").replace("%(prog)s", parser.prog).splitlines()
    return f"Example:\n\n```\n{_plain(lines[1:])}\n```" if lines[:1] == ["example:"] else ""


def paragraph(text: str | None) -> str:
    """Give a description: blocks whose lines are indented are lists or commands, and stay as they are."""
    blocks = [block.splitlines() for block in (text or "").strip("\n").split("\n\n")]
    return "\n\n".join(
        f"```\n{_plain(lines)}\n```" if all(line.startswith("  ") for line in lines) else "\n".join(lines)
        for lines in blocks
        if lines
    )


def arguments(parser: argparse.ArgumentParser) -> str:
    """Make the table of a command's arguments and options."""
    # The commands' own formatter adds ranges and defaults to the words, which have columns here.
    formatter = argparse.HelpFormatter(parser.prog)
    rows = []
    for action in parser._actions:
        if isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)):
            continue
        name = action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest)
        value = "" if action.nargs == 0 else formatter._format_args(action, str(action.metavar or action.dest).upper())
        shown = f"{name} {value}".strip() if action.option_strings and not action.choices else name
        rows.append(
            (
                code(shown),
                "required" if action.required and action.option_strings else code(_default(action)),
                _allowed(action),
                _sentence(formatter._expand_help(action) if action.help else ""),
            )
        )
    return table(("Argument", "Default", "Allowed", "Meaning"), rows)


def _default(action: argparse.Action) -> str:
    default = action.default
    if default is None or default is argparse.SUPPRESS or action.nargs == 0:
        return ""
    return " ".join(map(str, default)) if isinstance(default, (list, tuple)) else str(default)


def _allowed(action: argparse.Action) -> str:
    if action.choices:
        return ", ".join(map(str, action.choices))
    return action.type.words if isinstance(action.type, Number) else ""


def _plain(lines: list[str]) -> str:
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[indent:] for line in lines)


def _sentence(text: str) -> str:
    """Write help, which begins small and ends without a stop, as a sentence."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}" if text else ""

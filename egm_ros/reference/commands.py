"""The reference page of the command line, made from the parsers of the commands."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module

from egm_core.command.verbs import verbs
from egm_ros.reference.markdown import code, page, section, table

INTRODUCTION = (
    "`egm` is there after an installation. In a checkout write `tools/egm`. `python -m egm_core` works in both. The "
    "nodes take ROS arguments instead: see the page of each node."
)


def commands() -> str:
    """Make the page of all commands."""
    parsers = [import_module(verb.module).parser(f"egm {verb.name}") for verb in verbs().values()]
    return page("The command line", INTRODUCTION, *(part for parser in parsers for part in sections(parser)))


def sections(parser: argparse.ArgumentParser, level: int = 2) -> Iterator[str]:
    """Make the section of a command and those of its subcommands."""
    words = [paragraph(parser.description), usage(parser), arguments(parser)]
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


def paragraph(text: str | None) -> str:
    """Give a description: lines that are indented are commands, and stay as they are."""
    blocks = (text or "").strip().split("\n\n")
    return "\n\n".join(f"```\n{_plain(block)}\n```" if block.startswith("    ") else block for block in blocks)


def arguments(parser: argparse.ArgumentParser) -> str:
    """Make the table of a command's arguments and options."""
    formatter = parser._get_formatter()
    rows = []
    for action in parser._actions:
        if isinstance(action, (argparse._HelpAction, argparse._SubParsersAction)):
            continue
        value = "" if action.nargs == 0 else formatter._format_args(action, str(action.metavar or action.dest).upper())
        choices = ", ".join(map(str, action.choices)) if action.choices else ""
        name = action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest)
        shown = f"{name} {value}".strip() if action.option_strings and not choices else name
        nothing = any(action.default is none for none in (None, False, argparse.SUPPRESS))
        default = "" if nothing else str(_words(action.default))
        needed = "required" if action.required and action.option_strings else code(default)
        rows.append((code(shown), needed, choices, _sentence(formatter._expand_help(action) if action.help else "")))
    return table(("Argument", "Default", "Allowed", "Meaning"), rows)


def _words(default: object) -> object:
    return " ".join(map(str, default)) if isinstance(default, (list, tuple)) else default


def _plain(block: str) -> str:
    return "\n".join(line.removeprefix("    ") for line in block.splitlines())


def _sentence(text: str) -> str:
    """Write help, which begins small and ends without a stop, as a sentence."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}" if text else ""

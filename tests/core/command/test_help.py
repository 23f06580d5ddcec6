"""Every parser of every verb: each option says what it is, and its default; each command ends with an example."""

from __future__ import annotations

import argparse
import importlib
import shlex
from collections.abc import Iterator

import pytest
from command_line import egm

from egm_core.arguments import Number, Parser, number, whole
from egm_core.command.verbs import verbs
from egm_core.train.described import described
from egm_core.train.stages import STAGES, settings_of


def parsers(parser: Parser) -> Iterator[Parser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from parsers(inner)


def every() -> list[Parser]:
    offered = [verb for verb in verbs().values() if not verb.lacking]
    return [p for verb in offered for p in parsers(importlib.import_module(verb.module).parser(f"egm {verb.name}"))]


@pytest.mark.parametrize("parser", every(), ids=lambda parser: parser.prog)
def test_every_option_says_what_it_is_and_its_default(parser: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1000")
    formatter = parser._get_formatter()
    for action in parser._actions:
        name = action.option_strings[-1] if action.option_strings else action.dest
        assert action.help or isinstance(action, argparse._SubParsersAction), f"{parser.prog} {name} has no help"
        if isinstance(action, argparse._SubParsersAction):
            assert all(choice.help for choice in action._choices_actions), f"{parser.prog}: a command without help"
            continue
        shown = formatter._expand_help(action)
        if action.option_strings and action.nargs != 0 and not action.required:
            # A text that is left empty stands for something, which "empty" would not say.
            assert "default: " in shown and "default: empty" not in shown, f"{parser.prog} {name}: {shown}"
        if isinstance(action.type, Number):
            assert action.type.words in shown, f"{parser.prog} {name}: {shown}"


@pytest.mark.parametrize("parser", every(), ids=lambda parser: parser.prog)
def test_every_command_says_in_a_sentence_what_it_does(parser: Parser) -> None:
    assert parser.description and parser.description.rstrip()[0].isupper() and "." in parser.description


@pytest.mark.parametrize("parser", every(), ids=lambda parser: parser.prog)
def test_every_command_shows_an_example_that_it_takes(parser: Parser) -> None:
    assert parser.epilog
    lines = [line.strip() for line in parser.format_help().partition("\nexample:\n")[2].split("\n\n")[0].splitlines()]
    assert lines and all(f"{line} ".startswith(f"{parser.prog} ") for line in lines)
    for line in lines:
        words = shlex.split(line)[len(parser.prog.split()) :]
        own = getattr(parser, "parse_intermixed_args" if parser.prog == "egm train" else "parse_args")
        assert own(words) is not None


@pytest.mark.parametrize("parser", every(), ids=lambda parser: parser.prog)
def test_every_command_may_be_made_louder_and_quieter(parser: Parser) -> None:
    if not any(isinstance(action, argparse._SubParsersAction) for action in parser._actions):
        assert {"verbose", "quiet"} <= {action.dest for action in parser._actions}


@pytest.mark.parametrize("stage", [*STAGES, "plan"])
def test_every_setting_of_a_stage_says_what_it_is(stage: str) -> None:
    settings = described(settings_of(stage))
    assert len(settings) > 8
    assert not [one.key for one in settings if len(one.description.split()) < 2]
    assert not [one.key for one in settings if one.description.endswith(".") or not one.default]


def test_the_stages_settings_are_those_that_their_runs_take() -> None:
    for stage, (module, kind, _) in STAGES.items():
        assert settings_of(stage) is getattr(importlib.import_module(module), kind)


def test_help_of_a_stage_lists_its_settings_with_default_range_unit_and_meaning() -> None:
    done = egm("train", "sft", "--help")
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert "matrix_rate: 0.02 Muon's rate (above 0 and at most 1)" in words
    assert "minutes: 0.0 end a start of the run by the clock" in words and "(at least 0; min)" in words
    for one in described(settings_of("sft")):
        assert f"\n  {one.key}: {one.default}\n" in done.stdout
    module = egm("sft", "--help", module="egm_core.train").stdout
    assert module.replace("python -m egm_core.train", "egm train").split() == done.stdout.split()


def test_ranges_are_told_in_the_words_of_help() -> None:
    ranges = (whole(1, 9), number(0, 1), number(above=0), number(), number(above=0, high=86_400))
    assert [one.words for one in ranges] == ["1 to 9", "0 to 1", "above 0", "", "above 0, at most 86400"]

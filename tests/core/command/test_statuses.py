"""One rule for the ends of all commands: 2 for what was given, 1 for what failed, 130 for Ctrl-C; all in one's name."""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import PICTURE, ROOT, egm, without

from egm_core import ground
from egm_core.arguments import Number, Parser
from egm_core.command.verbs import verbs
from egm_core.console import attempt, finish
from egm_core.curate import __main__ as curate
from egm_core.data import __main__ as data
from egm_core.engines.base import EngineError
from egm_core.evaluate import __main__ as evaluate
from egm_core.scenes import __main__ as scenes
from egm_core.scenes.files import store
from egm_core.serve import __main__ as serve
from egm_core.train import __main__ as train
from egm_core.train.pretrain import average
from egm_core.train.run import curves

OFFERED = {name: verb for name, verb in verbs().items() if not verb.lacking}
MODULES: dict[str, Callable[[list[str]], int]] = {
    "egm_core.ground": ground.main,
    "egm_core.serve": serve.main,
    "egm_core.scenes": scenes.main,
    "egm_core.data": data.main,
    "egm_core.curate": curate.main,
    "egm_core.train": train.main,
    "egm_core.evaluate": evaluate.main,
    "egm_core.train.pretrain.average": average.main,
    "egm_core.train.run.curves": curves.main,
}
# A call of each verb that names something that is not there, and what its one line must name.
GIVEN = {
    "bench": (["--image", "/nowhere.jpg"], "/nowhere.jpg"),
    "ground": (["nowhere.png", "the mug"], "nowhere.png"),
    "serve": (["--model", "/nowhere/model"], "/nowhere/model"),
    "scenes": (["show", "--out", "/nowhere/sheet.png"], "/nowhere"),
    "data": (["convert", "internvl", "--file", "nowhere.jsonl", "--out", "{folder}/x.jsonl"], "nowhere.jsonl"),
    "curate": (["audit", "nowhere.jsonl", "--out", "{folder}/a.html"], "nowhere.jsonl"),
    "train": (["plan", "--config", "/nowhere/mine.yaml"], "/nowhere/mine.yaml"),
    "evaluate": (["compare", "nowhere.json", "nowhere.json"], "nowhere.json"),
    "doctor": (["--server", "foo"], "foo"),
    "demo": (["--model", "/nowhere/model", "--out", "{folder}"], "/nowhere/model"),
    "record": (["--model", "/nowhere/model", "--out", "{folder}"], "/nowhere/model"),
}
OF_MODULES = {
    **{
        f"egm_core.{name}": GIVEN[name] for name in ("ground", "serve", "scenes", "data", "curate", "train", "evaluate")
    },
    "egm_core.train.pretrain.average": (["--model", "/nowhere", "--out", "{folder}"], "/nowhere"),
    "egm_core.train.run.curves": (["/nowhere"], "/nowhere"),
}


def ended(main: Callable[..., Any], *arguments: Any) -> int:
    """Run a command as its process would, and give the exit status."""
    try:
        return finish(lambda: main(*arguments))
    except SystemExit as end:
        assert isinstance(end.code, int)
        return end.code


def run(name: str, words: list[str]) -> int:
    return ended(importlib.import_module(OFFERED[name].module).main, words, f"egm {name}")


def parsers(parser: Parser) -> Iterator[Parser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from parsers(inner)


def every() -> list[Parser]:
    return [p for v in OFFERED.values() for p in parsers(importlib.import_module(v.module).parser(f"egm {v.name}"))]


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1), said.err
    return said.err


@pytest.mark.parametrize("name", OFFERED)
def test_a_typo_in_an_option_ends_with_2_in_the_verbs_name(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run(name, ["--no-such-option"]) == 2
    assert one_line(capsys).startswith(f"egm {name}: ")


@pytest.mark.parametrize("name", OFFERED)
def test_what_is_not_there_ends_with_2_in_the_verbs_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    words, named = GIVEN[name]
    assert run(name, [word.format(folder=tmp_path) for word in words]) == 2
    line = one_line(capsys)
    assert line.startswith((f"egm {name}: ", f"egm {name} ")) and named in line


@pytest.mark.parametrize("name", MODULES)
def test_the_modules_end_as_the_verbs_do_in_their_own_name(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    assert ended(MODULES[name], ["--no-such-option"]) == 2
    assert one_line(capsys).startswith(f"{name}: ")
    words, named = OF_MODULES[name]
    assert ended(MODULES[name], [word.format(folder=tmp_path) for word in words]) == 2
    line = one_line(capsys)
    assert line.startswith((f"{name}: ", f"{name} ")) and named in line


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("wrong"), 2),
        (FileNotFoundError("wrong"), 2),
        (IsADirectoryError("wrong"), 2),
        (PermissionError("wrong"), 2),
        (OSError("wrong"), 1),
        (ConnectionRefusedError("wrong"), 1),
        (EngineError("engine_died", "wrong"), 1),
        (FloatingPointError("wrong"), 1),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 141),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_every_verb_ends_by_the_kind_of_what_went_wrong(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    error: BaseException,
    status: int,
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    where = {
        "ground": ("egm_core.command.ground.read_image", [PICTURE, "the mug"]),
        "serve": ("egm_core.command.serve.resolve", []),
        "scenes": ("egm_core.scenes.files.store.render", ["render", "--out", str(tmp_path)]),
        "train": ("egm_core.train.plan.plan.plan", ["plan", "--config", "mine.yaml"]),
        "evaluate": ("egm_core.command.generated.compare.read", ["compare", "a", "b"]),
    }
    for name, (place, words) in where.items():
        monkeypatch.setattr(place, fails)
        assert run(name, words) == status
        said = capsys.readouterr().err
        if status == 141:
            assert not said
            continue
        assert said.startswith(f"egm {name}") and said.count("\n") == 1
        assert ("interrupted" if status == 130 else "wrong") in said


def test_a_command_that_worked_ends_with_0_or_its_own_status() -> None:
    assert (attempt(lambda: None), attempt(lambda: 0), attempt(lambda: 1)) == (0, 0, 1)


def test_the_way_to_an_error_is_told_to_those_who_ask(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", ["compare", "nowhere.json", "nowhere.json", "-v"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_module_names_the_library_that_is_missing(tmp_path: Path) -> None:
    done = egm("x.png", "the mug", module="egm_core.ground", **without(tmp_path, "cv2"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("egm_core.ground: needs cv2, which this Python lacks; egm doctor")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["evaluate", "scnes"], "did you mean scenes?"),
        (["scenes", "rendr", "--out", "x"], "did you mean render?"),
        (["train", "sfft", "--config", "x"], "did you mean sft?"),
        (["scenes", "render", "--out", "x", "--worl", "strret"], "did you mean street?"),
        (["ground", "a.png", "x", "--modle", "y"], "did you mean --model?"),
        (["ground", "a.png", "x", "--mdel=y"], "did you mean --model?"),
        (["scenes", "render", "--ouut", "x"], "did you mean --out?"),
        (["evaluate", "scenes", "--scnes", "4"], "did you mean --scenes?"),
        (["train", "sft", "--confg", "x"], "did you mean --config?"),
        (["doctor", "--jsom"], "did you mean --json?"),
        (["doctor", "--job", "grond"], "did you mean ground?"),
    ],
)
def test_a_mistyped_word_is_told_with_the_one_that_was_meant(
    capsys: pytest.CaptureFixture[str], words: list[str], meant: str
) -> None:
    assert run(words[0], words[1:]) == 2
    assert meant in one_line(capsys)


def test_a_word_that_is_right_is_not_corrected(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", ["scenes", "--scenes", "0"]) == 2
    assert "did you mean" not in one_line(capsys)


@pytest.mark.parametrize("parser", every(), ids=lambda parser: parser.prog)
def test_every_whole_number_has_an_upper_end_that_is_told_in_full(parser: Parser) -> None:
    for action in parser._actions:
        if isinstance(action.type, Number):
            assert action.type.high is not None or action.type.kind is float, action.dest
            assert "e+" not in action.type.words and "inf" not in action.type.words


@pytest.mark.parametrize("value", ["9" * 12 + "9", "9" * 400, "9" * 5000])
@pytest.mark.parametrize("option", ["--threads", "--max-pixels"])
def test_a_number_beyond_all_bounds_is_refused_with_them(
    capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert run("ground", [PICTURE, "x", option, value]) == 2
    assert f"argument {option}: " in (line := one_line(capsys)) and " must be a whole number from 1 to " in line


@pytest.mark.parametrize("server", ["foo", "ftp://x", "http://", "http://h:0", "http://h:99999", "http://a b"])
def test_the_doctor_refuses_a_server_that_is_no_address(capsys: pytest.CaptureFixture[str], server: str) -> None:
    assert run("doctor", ["--server", server]) == 2
    assert "http://host:port" in (line := one_line(capsys)) and server in line


def test_the_doctor_of_a_bare_python_does_so_too(tmp_path: Path) -> None:
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv = ['egm', 'doctor', '--server', 'foo']"
    program = f"{start}; from egm_core.command.entry import run; run()"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=tmp_path, env={}, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert done.stderr.startswith("egm doctor: argument --server: 'foo' is not a URL")


def test_a_sheet_that_cannot_be_written_leaves_no_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for out in (tmp_path / "new/x", tmp_path / "new/x.png"):
        assert run("scenes", ["show", "--out", str(out)]) == 2
        assert str(out) in one_line(capsys)
    assert not os.listdir(tmp_path)


def test_scenes_that_are_there_already_are_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Drawn:
        def imap_unordered(self, work: Any, jobs: list[Any]) -> list[int]:
            for path, *_ in jobs:
                Path(path).write_bytes(b"")
            return [job[2] for job in jobs]

        def __enter__(self) -> Drawn:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(store.multiprocessing, "get_context", lambda _: argparse.Namespace(Pool=lambda _: Drawn()))
    command = ["render", "--out", str(tmp_path), "--shard-scenes", "2", "--scenes"]
    assert run("scenes", [*command, "2"]) == 0
    assert capsys.readouterr() == (f"2 scenes rendered into {tmp_path}\n", "")
    assert run("scenes", [*command, "4"]) == 0
    said = capsys.readouterr()
    assert said.out == f"2 scenes rendered into {tmp_path}\n"
    assert said.err.startswith("2 scenes of these seeds are there already, ")


@pytest.mark.parametrize("verb", ["serve"])
def test_a_port_in_use_is_said_in_one_line(capsys: pytest.CaptureFixture[str], verb: str) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        assert run(verb, ["--port", str(port)]) == 2
    line = one_line(capsys)
    assert f"127.0.0.1:{port}" in line and "--port" in line
    assert run(verb, ["--host", "203.0.113.7", "--without-key"]) == 2
    assert "--host" in one_line(capsys)

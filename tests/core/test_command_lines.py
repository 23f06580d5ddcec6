"""What every command line refuses: numbers out of range, bad addresses, devices, and options that would do nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from checkpoints import FOUND

from egm_core.engines.base import EngineError
from egm_core.engines.devices import refusal
from egm_core.evaluate.__main__ import main as evaluate
from egm_core.ground import main as ground
from egm_core.models.folder import load_info
from egm_core.scenes.__main__ import main as scenes
from egm_core.serve.__main__ import main as serve

ROOT = Path(__file__).resolve().parents[2]
PICTURE = str(ROOT / "egm_ros/clips/tabletop/000.jpg")
COMMANDS: dict[str, tuple[Callable[[list[str]], int], list[str]]] = {
    "ground": (ground, [PICTURE, FOUND]),
    "evaluate": (evaluate, ["scenes"]),
    "serve": (serve, []),
    "render": (scenes, ["render", "--out", "unused"]),
    "show": (scenes, ["show", "--out", "unused.png"]),
    "export": (scenes, ["export", "--out", "unused"]),
}
COUNTS = ["nan", "0", "-1", "1.5", "x", "1e3"]
NUMBERS = {
    ("ground", "--min-score"): ["nan", "inf", "2", "-0.1", "x"],
    ("ground", "--timeout"): ["nan", "inf", "0", "-5"],
    ("ground", "--max-pixels"): COUNTS,
    ("ground", "--threads"): COUNTS,
    ("evaluate", "--scenes"): COUNTS,
    ("evaluate", "--first-seed"): ["-1", "nan"],
    ("evaluate", "--queries-per-scene"): COUNTS,
    ("evaluate", "--batch"): COUNTS,
    ("evaluate", "--threads"): COUNTS,
    ("evaluate", "--processes"): COUNTS,
    ("evaluate", "--workers"): COUNTS,
    ("serve", "--port"): ["-1", "65536", "nan"],
    ("serve", "--max-pixels"): COUNTS,
    ("serve", "--max-tokens"): COUNTS,
    ("serve", "--max-queue"): COUNTS,
    ("serve", "--max-batch"): COUNTS,
    ("serve", "--threads"): COUNTS,
    ("render", "--scenes"): COUNTS,
    ("render", "--workers"): COUNTS,
    ("render", "--shard-scenes"): COUNTS,
    ("show", "--columns"): COUNTS,
    ("show", "--zoom"): ["nan", "0", "-1", "inf"],
    ("show", "--fps"): ["nan", "0", "-1", "inf"],
    ("export", "--per-scene"): COUNTS,
    ("export", "--amodal-share"): ["nan", "1.1", "-1"],
    ("export", "--direct-share"): ["nan", "1.1", "-1"],
    ("export", "--absent-share"): ["nan", "1.1", "-1"],
}


def refused(capsys: pytest.CaptureFixture[str], main: Callable[[list[str]], int], arguments: list[str]) -> str:
    """Run a command that must end with status 2, and give the one line that it says."""
    capsys.readouterr()  # a model that was made for the test has said something, too
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code  # type: ignore[assignment]
    said = capsys.readouterr()
    assert (status, said.out) == (2, ""), said.err
    (line,) = said.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("command", "option", "value"), [(*where, value) for where, values in NUMBERS.items() for value in values]
)
def test_a_number_out_of_range_is_named(
    capsys: pytest.CaptureFixture[str], command: str, option: str, value: str
) -> None:
    main, needed = COMMANDS[command]
    line = refused(capsys, main, [*needed, f"{option}={value}"])
    assert option in line and value in line and "must be" in line


def test_every_number_of_a_command_line_has_bounds() -> None:
    bare = [
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for folder in ("egm_core", "egm_ros", "tools")
        for file in (ROOT / folder).rglob("*.py")
        for line in file.read_text().splitlines()
        if "add_argument" in line and "choices=" not in line and any(k in line for k in ("type=int", "type=float"))
    ]
    assert bare == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://[::1",
        "http://h:x",
        "http://a b:1",
        "ftp://h",
        "http://.:8",
        f"http://{'a' * 300}:8",
    ],
)
@pytest.mark.parametrize("command", ["ground", "evaluate"])
def test_an_address_that_is_none_is_named(capsys: pytest.CaptureFixture[str], command: str, url: str) -> None:
    main, needed = COMMANDS[command]
    line = refused(capsys, main, [*needed, f"--engine-url={url}"])
    assert url in line and "http://host:port" in line


def test_the_whole_command_says_a_bad_port_in_a_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "egm_core.ground", PICTURE, FOUND, "--engine-url", "http://127.0.0.1:99999"]
    done = subprocess.run(
        [*command, "--family", "qwen3_vl"], cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "gpu", "cuda:-1", ""])
@pytest.mark.parametrize("command", ["ground", "evaluate", "serve"])
def test_a_device_that_is_none_is_named(capsys: pytest.CaptureFixture[str], command: str, name: str) -> None:
    main, needed = COMMANDS[command]
    line = refused(capsys, main, [*needed, f"--device={name}"])
    assert "--device" in line and repr(name) in line and "cuda:N" in line


def test_a_device_that_this_machine_lacks_is_named_by_the_engine(
    capsys: pytest.CaptureFixture[str], memorising_qwen: Path
) -> None:
    line = refused(capsys, ground, [PICTURE, FOUND, "--model", str(memorising_qwen), "--device", "cuda:99"])
    assert "'cuda:99' is not there" in line and "auto" in line
    from egm_core.engines.local import TransformersEngine

    with TransformersEngine(memorising_qwen, device="tpu") as engine, pytest.raises(EngineError, match="'tpu' is none"):
        engine.wait_ready()


@pytest.mark.parametrize(
    ("device", "dtype", "gpus", "words"),
    [
        ("auto", "auto", 0, ""),
        ("cuda", "bfloat16", 1, ""),
        ("cuda:1", "auto", 2, ""),
        ("cuda:2", "auto", 2, "finds 2 GPUs"),
        ("cuda", "auto", 0, "no GPU"),
        ("cpu", "int4", 0, "'int4'"),
    ],
)
def test_devices_are_held_against_the_machine(device: str, dtype: str, gpus: int, words: str) -> None:
    said = refusal(device, dtype, gpus)
    assert words in said if words else said == ""


URL = ("--engine-url", "http://127.0.0.1:9", "--family", "qwen3_vl")


@pytest.mark.parametrize(
    ("command", "options", "words"),
    [
        ("ground", ("--visible-only", "--force-amodal"), ("--force-amodal", "--visible-only")),
        ("ground", ("--visible-only", "--amodal-model", "egm_tiny"), ("--amodal-model", "--visible-only")),
        ("ground", ("--no-reasoning", "--constrain", "off"), ("--no-reasoning", "--constrain")),
        ("ground", (*URL, "--insecure", "--ca-bundle", "x.pem"), ("--insecure", "--ca-bundle")),
        ("ground", ("--engine-model", "x"), ("--engine-model", "--engine-url")),
        ("ground", ("--key-in-clear", "x", "--insecure"), ("--key-in-clear, --insecure", "--engine-url")),
        ("ground", (*URL, "--api-key-env", "NO_SUCH_KEY"), ("--api-key-env", "NO_SUCH_KEY is empty")),
        ("ground", ("--engine-url", "https://127.0.0.1:9", "--ca-bundle", "/nowhere.pem"), ("/nowhere.pem", "PEM")),
        ("ground", ("--engine-url", "https://127.0.0.1:9", "--ca-bundle", __file__), ("test_command_lines.py", "PEM")),
        ("ground", (*URL, "--engine-model", "InternVL3-8B"), ("InternVL3-8B", "internvl3", "qwen3_vl")),
        ("evaluate", ("--json", "/nowhere/x.json"), ("--json", "/nowhere")),
        ("show", ("--fps", "2"), ("--fps", "--clip")),
        ("export", ("--workers", "2"), ("--workers", "--stored")),
        ("export", ("--stored", "x", "--world", "street"), ("--world", "--stored")),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    capsys: pytest.CaptureFixture[str], command: str, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    main, needed = COMMANDS[command]
    line = refused(capsys, main, [*needed, *options])
    assert all(word in line for word in words), line


def test_options_of_asking_are_refused_beside_a_stored_result(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = refused(capsys, evaluate, ["calibrate", "--result", "x.json", "--scenes", "5", "--device", "cpu"])
    assert "--device, --scenes" in line and "--result" in line


def test_what_only_the_server_decides_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert ground([PICTURE, FOUND, *URL, "--timeout", "5", "--device", "cpu", "--threads", "1"]) == 1
    assert "--device, --threads does nothing" in capsys.readouterr().err


def test_a_folder_is_not_said_to_be_missing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert f"{tmp_path} is a folder; name a picture" in refused(capsys, ground, [str(tmp_path), FOUND])


@pytest.mark.parametrize(("name", "told"), [("qwen", "internvl3"), ("internvl", "qwen3_vl")])
def test_a_family_that_the_folder_does_not_speak_is_refused(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, told: str
) -> None:
    folder = request.getfixturevalue(f"memorising_{name}")
    spoken = load_info(folder).family
    line = refused(capsys, ground, [PICTURE, FOUND, "--model", str(folder), "--family", told])
    assert told in line and spoken in line and "leave family away" in line
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "internvl"}))
    with pytest.raises(ValueError, match=r"config.json: the model speaks internvl3.*qwen3_vl"):
        load_info(tmp_path, family="qwen3_vl")


def test_a_file_that_is_no_result_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    for content in (b"no json", b'{"rows": 3}', b"\xff\xfe", b"[]"):
        wrong.write_bytes(content)
        assert evaluate(["compare", str(wrong), str(wrong)]) == 2
        assert f"{wrong} is no result" in capsys.readouterr().err


def test_a_file_where_a_folder_shall_be_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("")
    assert scenes(["render", "--out", str(taken), "--scenes", "1"]) == 2
    assert str(taken) in capsys.readouterr().err

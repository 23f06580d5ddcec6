"""Manifests that somebody edited: what is wrong is said in a line, and no traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from egm_core.curate.__main__ import main
from egm_core.curate.sets.manifest import FORMAT, MANIFEST, write, wrong

GOOD = {"format": FORMAT, "samples_file": "a.jsonl", "counts": {"samples": 0, "images": 0}, "files": {}}


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ([], "no object of JSON"),
        ({}, "its format is None"),
        (GOOD | {"files": None}, "its files are no object"),
        (GOOD | {"files": {"a.jsonl": None}}, "the bytes and the sha256 of a.jsonl"),
        (GOOD | {"counts": [1]}, "its counts are no object"),
        (GOOD | {"files": {"../a": {"bytes": 1, "sha256": "x"}}}, "not in the folder"),
        (GOOD | {"samples_file": "../a.jsonl"}, "not in the folder"),
    ],
)
def test_what_is_no_manifest_is_said_in_a_line(
    tmp_path: Path, told: Any, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jsonl").touch()
    (tmp_path / "manifest.json").write_text(json.dumps(told))
    assert main(["amodal-benchmark", "--check", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err


def test_a_count_that_was_taken_out_differs(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    write(tmp_path, {"samples_file": "a.jsonl", "counts": {"samples": 0, "images": 0}}, ["a.jsonl"])
    told = json.loads((tmp_path / MANIFEST).read_text())
    del told["files"]["a.jsonl"]["records"]
    (tmp_path / MANIFEST).write_text(json.dumps(told))
    assert "a.jsonl: records is 0, and the manifest has None" in wrong(tmp_path)


@pytest.mark.parametrize("part", ["filters", "teachers", "terms", "licences", "counts"])
def test_what_a_manifest_tells_cannot_be_changed_unseen(tmp_path: Path, part: str) -> None:
    (tmp_path / "a.jsonl").touch()
    write(tmp_path, {"samples_file": "a.jsonl", "counts": {"samples": 0, "images": 0}, "terms": "x"}, ["a.jsonl"])
    assert not wrong(tmp_path)
    file = tmp_path / MANIFEST
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told))
    assert not wrong(tmp_path)
    file.write_text(json.dumps(told | {part: {"samples": 0, "images": 0, "more": 1}}))
    assert [line for line in wrong(tmp_path) if line.startswith(f"{MANIFEST} was changed")]

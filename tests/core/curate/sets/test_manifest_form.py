"""Manifests that somebody edited: what is wrong is said in a line, and no traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from egm_core.curate.__main__ import main
from egm_core.curate.sets.manifest import FORMAT

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
    ],
)
def test_what_is_no_manifest_is_said_in_a_line(
    tmp_path: Path, told: Any, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jsonl").touch()
    (tmp_path / "manifest.json").write_text(json.dumps(told))
    assert main(["amodal-benchmark", "--check", str(tmp_path)]) == 2
    assert words in capsys.readouterr().err

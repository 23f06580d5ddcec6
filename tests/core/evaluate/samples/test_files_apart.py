"""No output may be a file that the command reads, or writes otherwise: it would be lost."""

from __future__ import annotations

import pytest
from sample_oracles import picture, sample

from egm_core.evaluate.__main__ import main
from egm_core.sample import write_samples

NOBODY = ["--engine-url", "http://127.0.0.1:1", "--wait", "0.1"]


@pytest.fixture
def file(tmp_path):
    write_samples(tmp_path / "s.jsonl", [sample(picture(tmp_path))])
    return tmp_path / "s.jsonl"


@pytest.mark.parametrize(
    "options",
    [
        ["--json", "x", "--answers", "x"],
        ["--json", "x.json", "--answers", "./x.json"],
        ["--json", "x.answers"],
        ["--json", "x-wal", "--answers", "x"],
        ["--json", "s.jsonl"],
        ["--answers", "s.jsonl"],
        ["--json", "a.png", "--answers", "x"],
    ],
)
def test_an_output_that_is_another_file_of_the_command_is_refused(file, options, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("what was answered")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SystemExit, match="2"):
        main(["refer", "s.jsonl", *NOBODY, *options])
    told = capsys.readouterr().err
    assert "another name" in told or "its own name" in told
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "words",
    [
        ["tables", "--base", "r.json", "--png", "r.json"],
        ["tables", "--ablation", "one=r.json", "--png", "r.json"],
        ["latency", "EGM=r.svg", "--draw", "r.svg"],
        ["reliability", "r.json", "--png", "r.json"],
        ["failures", "r.json", "--judge", "j=http://127.0.0.1:1", "--json", "r.judged/j.answers"],
        ["failures", "r.json", "--judge", "j=http://127.0.0.1:1", "--by", "b=o.json", "--json", "o.json"],
    ],
)
def test_a_result_that_is_read_is_never_written(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.judged").mkdir()
    for name in ("r.json", "r.svg", "o.json", "r.judged/j.answers"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "another name" in capsys.readouterr().err
    assert (tmp_path / words[-1]).read_text() == "{}"

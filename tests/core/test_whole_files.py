"""Files to write appear whole, one command writes one at a time, and none is a file that is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from egm_core.arguments import Parser
from egm_core.sample import Sample, SampleError, read_samples, write_samples
from egm_core.sample.whole import written


def test_what_fails_leaves_the_old_file_and_no_part(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")
    with pytest.raises(RuntimeError), written(file) as part:
        part.write_text("half")
        raise RuntimeError("the disk is full")
    assert file.read_text() == "old" and list(tmp_path.iterdir()) == [file]


def test_a_second_writer_of_one_file_is_refused_and_the_first_ends_well(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    second = (
        f"from pathlib import Path; from egm_core.sample import write_samples; write_samples(Path({str(file)!r}), [])"
    )
    with written(file) as part:
        part.write_text("first")
        done = subprocess.run([sys.executable, "-c", second], capture_output=True, text=True, timeout=60)
        assert done.returncode and f"{file}: another command is writing this file" in done.stderr
    assert file.read_text() == "first" and list(tmp_path.iterdir()) == [file]
    write_samples(file, [])
    assert file.read_text() == "" and list(tmp_path.iterdir()) == [file]


def test_a_part_that_a_kill_left_is_written_over(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    (tmp_path / "a.jsonl.part").write_text("left by a kill, and longer than what comes")
    write_samples(file, [Sample("a.png", "the mug", (1.0, 1.0, 2.0, 2.0), None, None, 9, 9)])
    assert [sample.sent for sample in read_samples(file)] == ["the mug"]


@pytest.mark.parametrize("option", ["out", "json", "output"])
def test_no_command_writes_over_a_file_that_it_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    file, link = tmp_path / "a.jsonl", tmp_path / "link.jsonl"
    file.write_text("kept")
    link.symlink_to(file)
    parser = Parser("egm")
    parser.add_argument("--file", type=Path, nargs="+")
    parser.add_argument(f"--{option}", type=Path)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--file", str(tmp_path / "b"), str(file), f"--{option}", str(link)])
    assert ended.value.code == 2
    assert f"--{option}: {link} is a file to read (file); give another name" in capsys.readouterr().err
    assert parser.parse_args(["--file", str(file), f"--{option}", str(tmp_path / "new.jsonl")])


def test_a_folder_in_place_of_a_sample_file_is_named_so(tmp_path: Path) -> None:
    with pytest.raises(SampleError, match="a folder; name a file in it"):
        list(read_samples(tmp_path))

"""Files to write appear whole, one command writes one at a time, and none is a file that is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from egm_core.arguments import Parser
from egm_core.sample import Sample, SampleError, read_samples, write_samples
from egm_core.sample.whole import dropped, together, written


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


def of_before(folder: Path) -> dict[str, Path]:
    files = {name: folder / f"{name}.txt" for name in ("first", "second", "gone")}
    for file in files.values():
        file.write_text("old")
    return files


def texts(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def test_files_of_a_set_take_their_names_together(tmp_path: Path) -> None:
    files = of_before(tmp_path)
    with together():
        for name in ("first", "second"):
            with written(files[name]) as part:
                part.write_text("new")
        dropped(files["gone"])
        assert files["first"].read_text() == files["gone"].read_text() == "old"
    assert texts(tmp_path) == {"first.txt": "new", "second.txt": "new"}
    with written(files["first"]) as part:
        part.write_text("alone")
    assert files["first"].read_text() == "alone"


def test_a_set_that_fails_leaves_that_of_before(tmp_path: Path) -> None:
    files = of_before(tmp_path)
    before = texts(tmp_path)
    with pytest.raises(RuntimeError), together():
        with written(files["first"]) as part:
            part.write_text("new")
        dropped(files["gone"])
        raise RuntimeError("the disk is full")
    assert texts(tmp_path) == before
    with (
        written(files["second"]) as other,
        pytest.raises(BlockingIOError, match=r"second.txt: another command is writing"),
        together(),
    ):
        other.write_text("another's")
        for name in ("first", "second"):
            with written(files[name]) as part:
                part.write_text("new")
    assert files["first"].read_text() == "old" and not list(tmp_path.glob("first.txt.part"))


def test_a_set_that_is_killed_leaves_that_of_before(tmp_path: Path) -> None:
    files = of_before(tmp_path)
    work = (
        "import sys, time; from pathlib import Path; from egm_core.sample.whole import dropped, together, written\n"
        "with together():\n"
        "    for name in ('first', 'second'):\n"
        "        with written(Path(sys.argv[1]) / f'{name}.txt') as part:\n"
        "            part.write_text('new')\n"
        "    dropped(Path(sys.argv[1]) / 'gone.txt')\n"
        "    print('written', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", work, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "written\n"
    process.kill()
    process.communicate()
    assert {file.read_text() for file in files.values()} == {"old"}
    with together(), written(files["first"]) as part:
        part.write_text("new")
    assert files["first"].read_text() == "new", "what a kill left stands in no one's way"


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

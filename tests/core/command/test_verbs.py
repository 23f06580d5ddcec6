"""`egm`: which verbs there are, where they come from, and what is said of those that cannot run."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import ROOT, egm, without

from egm_core.command.verbs import VERBS, verbs

CORE = [verb.name for verb in VERBS]


def listed(overview: str) -> list[str]:
    return [line.split()[0] for line in overview.splitlines() if line.startswith("  ")]


def test_the_core_has_a_file_for_each_verb() -> None:
    folder = ROOT / "egm_core/command"
    files = {file.stem for file in folder.glob("*.py")} | {file.parent.name for file in folder.glob("*/__init__.py")}
    assert set(CORE) <= files
    assert [verb.module for verb in VERBS] == [f"egm_core.command.{name}" for name in CORE]


def test_help_lists_the_verbs_and_nothing_is_a_wrong_call() -> None:
    asked, nothing = egm("--help"), egm()
    assert listed(asked.stdout)[: len(CORE)] == CORE
    assert (asked.returncode, nothing.returncode, nothing.stdout) == (0, 2, asked.stdout)


def test_a_wrong_verb_is_named_with_the_right_one() -> None:
    done = egm("evalute")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "egm: there is no verb 'evalute'; did you mean evaluate? (egm --help lists them)\n"


def test_verbs_of_ros_are_offered_only_where_ros_is(tmp_path: Path) -> None:
    bare = without(tmp_path, "rclpy")
    overview = egm("--help", **bare).stdout
    assert listed(overview) == CORE
    assert "Not offered here: demo (lacks rclpy), record (lacks rclpy)." in overview
    called = egm("demo", **bare)
    assert called.returncode == 2
    assert called.stderr.startswith("egm demo: needs rclpy, which this Python lacks; source /opt/ros/")


def test_a_missing_library_is_named_with_the_way_to_the_remedy(tmp_path: Path) -> None:
    done = egm("ground", "x.png", "the mug", **without(tmp_path, "cv2"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "egm ground: needs cv2, which this Python lacks; egm doctor says what each job needs\n"


def package(folder: Path, verbs: str, entry: str = "other_package.parts:VERBS") -> dict[str, str]:
    """Install a package that adds verbs, as pip leaves it."""
    (folder / "other_package").mkdir()
    (folder / "other_package/__init__.py").write_text("")
    (folder / "other_package/parts.py").write_text(f"from egm_core.command.verbs import Verb\n{verbs}")
    (folder / "other_package/wave.py").write_text(
        "def main(arguments, prog):\n    print(prog, *arguments)\n    return 3\n"
    )
    info = folder / "other_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other_package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[egm.verbs]\nother = {entry}\n")
    return {"PYTHONPATH": f"{folder}:{ROOT}"}


def test_another_package_adds_a_verb_by_an_entry_point(tmp_path: Path) -> None:
    more = package(tmp_path, 'VERBS = (Verb("wave", "wave a hand", "other_package.wave"),)\n')
    assert "  wave       wave a hand" in egm("--help", **more).stdout
    done = egm("wave", "twice", **more)
    assert (done.returncode, done.stdout) == (3, "egm wave twice\n")


def test_a_package_that_cannot_be_loaded_is_named_and_the_rest_works(tmp_path: Path) -> None:
    done = egm("--help", **package(tmp_path, "VERBS = ()\n", "other_package.gone:VERBS"))
    assert (done.returncode, "  ground " in done.stdout) == (0, True)
    assert "the verbs of other_package.gone:VERBS cannot be loaded" in done.stderr


def test_a_checkout_offers_its_other_package_without_installation(tmp_path: Path) -> None:
    assert {"demo", "record"} <= set(verbs())
    overview = egm("--help", cwd=tmp_path, PYTHONPATH=str(ROOT)).stdout
    assert "demo" in overview


@pytest.mark.parametrize("words", [("--version",)])
def test_the_version_is_told(words: tuple[str, ...]) -> None:
    from egm_core import __version__

    assert egm(*words).stdout == f"egm {__version__}\n"

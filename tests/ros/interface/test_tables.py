"""The reference pages are what the code says; the parameter files name parameters that there are."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest
import yaml

from egm_ros.interface.tables import TABLES
from egm_ros.reference.__main__ import main, outdated, pages
from egm_ros.reference.commands import sections
from egm_ros.reference.markdown import table
from egm_ros.reference.nodes import NODES

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT / "docs" / "reference"


def test_the_reference_is_current() -> None:
    assert not outdated(REFERENCE), "run make docs"


def test_every_node_has_a_page_with_all_its_parameters() -> None:
    assert {node.name for node in NODES} == set(TABLES)
    for node in NODES:
        text = (REFERENCE / f"{node.name}.md").read_text()
        assert all(f"| `{spec.name}` |" in text for spec in TABLES[node.name])
        assert all(f"`{topic.name}`" in text for topic in node.topics)


def test_the_page_about_time_has_the_parameters_defaults() -> None:
    page = (ROOT / "docs/concepts/time.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| \[(\w+)\]\(\.\./reference/(\w+)\.md\) \| ([\d.]+) s \|", page, re.M)
    assert len(rows) == 4
    for name, said, node, default in rows:
        (spec,) = [spec for spec in TABLES[node] if spec.name == name]
        assert (said, float(default), spec.unit) == (node, spec.default, "s"), name


def test_the_guide_writes_out_the_topics_of_each_camera() -> None:
    """They are as in tests/ros/system/test_launch.py, which starts the nodes of several cameras."""
    page = (ROOT / "docs/guides/cameras.md").read_text()
    ((names, image),) = re.findall(r"'cameras:=([\w,]+)' 'image:=(\S+)'", page)
    assert len(names.split(",")) == 3
    for camera in names.split(","):
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{camera}` |")]
        topics = re.findall(r"`(/[\w/]+)`", row)
        kinds = ("visible", "amodal")
        answers = [f"/grounding/{camera}/{kind}" for kind in kinds]
        now = [f"/{camera}/propagation/{kind}" for kind in kinds]
        assert topics == [image.format(camera=camera), *answers, *now]


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    assert all(f"reference/{name.removesuffix('.md')}\n" in index for name in pages())


def test_pages_are_written_and_an_old_one_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(tmp_path)]) == 1
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    page = tmp_path / "camera.md"
    assert "| `rate` | `0.0` | 0 to 240 Hz |" in page.read_text()
    page.write_text(page.read_text() + "by hand\n")
    capsys.readouterr()
    assert main(["--check", str(tmp_path)]) == 1
    assert capsys.readouterr().err == "out of date, run make docs: camera.md\n"


def test_cells_hold_bars_and_tags_and_empty_columns_go() -> None:
    made = table(("A", "B", "C"), [("`a|b <x>`", "", "a <tag>")])
    assert made.splitlines() == ["| A | C |", "| --- | --- |", "| `a\\|b <x>` | a &lt;tag> |"]
    assert table(("A",), []) == ""


def test_a_commands_page_has_subcommands_choices_and_defaults() -> None:
    parser = argparse.ArgumentParser(prog="p", description="Does it.")
    command = parser.add_subparsers().add_parser("go", help="goes there")
    command.add_argument("place")
    command.add_argument("--least", type=float, default=0.0, metavar="N", help="bound")
    command.add_argument("--how", choices=("a", "b"), required=True, help="way")
    first, second = sections(parser)
    assert first == "## `p`\n\nDoes it.\n\n```\np go\n```"
    assert second.startswith("### `p go`\n\nGoes there.\n\n```\np go [OPTION ...] place\n```")
    assert "| `--least N` | `0.0` |  | Bound. |" in second
    assert "| `--how` | required | a, b | Way. |" in second


def test_the_example_of_a_parameter_file_holds_the_defaults() -> None:
    content = yaml.safe_load((ROOT / "config" / "grounding.yaml").read_text())
    values = content["/**/grounding"]["ros__parameters"]
    defaults = {spec.name: spec.default for spec in TABLES["grounding"]}
    assert values and values == {name: defaults.get(name) for name in values}


@pytest.mark.parametrize("node", TABLES)
def test_every_parameter_has_a_meaning_and_an_allowed_default(node: str) -> None:
    for spec in TABLES[node]:
        assert spec.description.endswith("."), spec.name
        assert not spec.problem(spec.default), spec.name

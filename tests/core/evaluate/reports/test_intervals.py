"""What every table says of an interval that few images, or images that are all alike, cannot give."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from test_field_tables import ALL, result

from egm_core.evaluate.__main__ import main
from egm_core.evaluate.failures.agreement import reasons_table
from egm_core.evaluate.paper.failures import REASONS
from egm_core.evaluate.queries import Query
from egm_core.evaluate.reports.chart import draw as draw_tokens
from egm_core.evaluate.reports.field_tables import Model, hard, table_9
from egm_core.evaluate.reports.intervals import legend, marked, missing, written
from egm_core.evaluate.reports.latency import drawn
from egm_core.evaluate.reports.report import Report
from egm_core.evaluate.results import read
from egm_core.evaluate.scores import row_of
from egm_core.evaluate.statistics import mean, paired_difference

# "(100.0 to 100.0)", "[+0.0, +0.0]", "100.0-100.0": an interval that says that all is known.
CERTAIN = re.compile(r"([+-]?\d+(?:\.\d+)?)(?: to |, |-)\1(?![\d.])[\])% ]")
COMMANDS = {
    "table 4": ("table", "4", "m={a}", "m w/o R={b}"),
    "table 10": ("table", "10", "m={a}", "n={b}"),
    "table 5": ("table", "5", "m={a}", "n={b}"),
    "latency": ("latency", "m={a}"),
    "compare": ("compare", "{a}", "{b}"),
    "theirs": ("theirs", "{a}", "--rule", "ref-l4"),
}


@pytest.fixture
def printed(tmp_path, capsys, request):
    """Print what a command says of results with some right answers on as many images."""
    command, first, second = request.param
    told = {"task": "amodal" if command == "table 5" else "visible", "columns": ALL}
    a = result(tmp_path, "a", first, **told)
    b = result(tmp_path, "b", second, **told, reasoning=command != "table 4")
    assert main([word.format(a=a, b=b) for word in COMMANDS[command]]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "printed", [(name, rights, "n" + rights[1:]) for name in COMMANDS for rights in ("yyy", "yny")], indirect=True
)
def test_three_images_have_no_interval_in_any_table(printed):
    assert "no interval: 3" in printed and not CERTAIN.search(printed)
    assert not re.search(r"\d \([+-]?\d[\d.]* to", printed), "no other bracket either"
    assert "Fewer than 5 images have none" in printed


@pytest.mark.parametrize("printed", [(name, "y" * 8, "y" * 8) for name in COMMANDS], indirect=True)
def test_eight_images_that_are_all_right_are_no_certainty(printed):
    assert not CERTAIN.search(printed) and "no interval: 8" not in printed
    assert "Wilson" in printed


def test_table_9_and_11_and_the_judges_say_so_too(tmp_path):
    base, after = (read(name, result(tmp_path, name, rights)) for name, rights in (("base", "nnn"), ("sft", "yyy")))
    seeds = {answer.id: answer.seed for answer in base.answers}
    judged = {"judge": dict.fromkeys(seeds, REASONS[0])}
    stages = {name: Model(name, (found,)) for name, found in (("base", base), ("sft", after))}
    for told in (table_9(stages), hard(base, after), reasons_table(judged, seeds, False)):
        assert "no interval: 3" in told and "Fewer than 5 images" in told and not CERTAIN.search(told)


def test_the_report_on_scenes_says_how_many_there_are():
    box = (0.0, 0.0, 100.0, 100.0)
    query = Query(
        seed=1, world="tabletop", task="visible", kind="attribute", text="the red mug", near_miss=False,
        distractor=True, width=1000, height=1000, visible=box, amodal=box, rivals=(), largest=(box, box),
    )  # fmt: skip
    text = Report([row_of(replace(query, seed=n), "found", box) for n in range(3)]).text(1.0)
    heads = [line for line in text.splitlines() if line.startswith("Acc@0.5")]
    assert len(heads) == 2 and all("  mean IoU, %  " in head for head in heads)
    assert "false absents 0.0 % [no interval: 3 scenes] (n 3)" in text
    assert "no interval: 3 " in next(line for line in text.splitlines() if line.startswith("attribute"))
    assert "Fewer than 5 scenes" in text and not CERTAIN.search(text)
    whole = Report([row_of(replace(query, seed=n), "found", box) for n in range(20)]).text(1.0)
    assert "false absents 0.0 % [0.0, 16.1] (n 20)" in whole and "83.9-100.0" in whole


def test_pictures_draw_no_reach_where_there_is_none(tmp_path):
    few, some = (read(name, result(tmp_path, name, rights)) for name, rights in (("few", "yyy"), ("some", "y" * 8)))
    picture = drawn([Model(found.name, (found,)) for found in (few, some)], with_paper=False)
    listed = [text.get_text().splitlines()[0] for text in picture.legends[0].get_texts()]
    assert listed == ["1  few, IoU > 0.5 (no interval: 3)", "2  some, IoU > 0.5"]
    draw_tokens([few, some], tmp_path / "tokens.png")
    assert (tmp_path / "tokens.png").stat().st_size > 1000


def test_the_words():
    few, none, some = mean([1.0], [1]), mean([3.0] * 6, range(6), share=False), mean([1.0] * 8, range(8))
    assert missing(few, "images") == "no interval: 1 image"
    assert written(few) == "no interval: 1" and written(none) == "no interval: all alike"
    assert written(some, scale=100) == "67.6 to 100.0"
    assert written(some, "+.1f", 100, -90.0, ", ") == "-22.4, +10.0"
    assert marked("m", few) == "m (no interval: 1)" and marked("m", some) == "m"
    assert written(paired_difference([0.0] * 3, [1.0] * 3, range(3))) == "no interval: 3"
    assert "Wilson" in legend() and "Wilson" not in legend(wilson=False)

"""Two results that name a question alike: what is said where words, truth or picture are not the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from egm_core.evaluate.__main__ import main
from egm_core.evaluate.html.page import page
from egm_core.evaluate.html.runs import read, told_apart

sys.path.insert(0, str(Path(__file__).parent / "reports"))
from test_field_tables import ALL, result

BUDGET = {"max_pixels": None, "family": "qwen3_vl"}


def changed(path: Path, last_only: bool = True, **fields) -> Path:
    """Write a result anew, with other fields in its last row, or in all of them."""
    data = json.loads(path.read_text())
    for row in data["rows"][-1:] if last_only else data["rows"]:
        row.update(fields)
    path.write_text(json.dumps(data))
    return path


def two(folder: Path, **about) -> tuple[Path, Path]:
    ways = {"EGM-8B": True, "EGM-8B w_o R": False}
    made = [result(folder, name, "yyn", ALL[:1], **(BUDGET | about), reasoning=way) for name, way in ways.items()]
    return tuple(changed(path, False, image="/data/coco/a.png", picture="11") for path in made)


@pytest.mark.parametrize(
    ("fields", "told"),
    [({"text": "the other cup"}, "has the words the other cup"), ({"truth": [5, 5, 20, 20]}, "has the truth (5.0"),
     ({"picture": "22"}, "which is another one"), ({"image": "/data/coco/b.png"}, "has the picture coco/b.png")],
)  # fmt: skip
@pytest.mark.parametrize("command", ["table", "compare"])
def test_another_question_of_the_same_name_is_refused(fields, told, command, tmp_path, capsys):
    first, second = two(tmp_path)
    changed(second, **fields)
    words = ["table", "10", f"EGM-8B={first}", f"EGM-8B w/o R={second}"]
    assert main(words if command == "table" else ["compare", str(first), str(second)]) == 2
    said = capsys.readouterr().err
    assert told in said and "evaluate both with the same" in said


@pytest.mark.parametrize(
    ("fields", "about", "told"),
    [({"picture": "22"}, {}, "the pixels of all 3 pictures differ"), ({"picture": "22"}, {"max_pixels": 9}, ""),
     ({"picture": "", "image": "/data/coco2/a.png"}, {}, "folders of other names (coco/a.png, coco2/a.png)"),
     ({"picture": "", "image": "/other/coco/a.png"}, {}, ""), ({"image": "/data/coco2/a.png"}, {}, "")],
)  # fmt: skip
def test_what_cannot_be_told_is_a_warning(fields, about, told, tmp_path, caplog):
    first, second = two(tmp_path)
    data = json.loads(changed(second, False, **fields).read_text())
    second.write_text(json.dumps(data | about))
    assert main(["compare", str(first), str(second)]) == 0
    assert (told in caplog.text) if told else (caplog.text == "")


def test_files_that_count_success_differently_have_no_gain(tmp_path, capsys):
    first = result(tmp_path, "EGM-8B", "yyn")
    second = result(tmp_path, "direct", "ynn", strict=False, reasoning=False)
    assert main(["table", "10", f"EGM-8B={first}", f"EGM-8B w/o R={second}"]) == 2
    assert "count success differently" in capsys.readouterr().err


@pytest.mark.parametrize("fields", [{"text": "other"}, {"truth": [5, 5, 20, 20]}, {"picture": "22"}])
def test_a_report_does_not_pair_them_and_says_so(fields, tmp_path):
    first, second = two(tmp_path)
    runs, notes = told_apart([read(first), read(second)])
    assert notes == [] and [q.key for q in runs[0].questions] == [q.key for q in runs[1].questions]
    runs, notes = told_apart([read(first), read(changed(second, **fields))])
    assert len(notes) == 1 and "1 questions of the same name" in notes[0] and "not paired" in notes[0]
    assert sum(one.key == two.key for one, two in zip(runs[0].questions, runs[1].questions, strict=True)) == 2


def test_a_report_names_the_rule_beside_each_figure(tmp_path, capsys):
    first = changed(result(tmp_path, "a", "yn", ALL[:2]), False, finish="stop")
    second = changed(result(tmp_path, "b", "yy", ALL[:2], strict=False), finish="length")
    made = page([read(first), read(second)], "", pictures=False)
    for words in ("a, Acc@0.5, IoU &gt; threshold", "b, Acc@0.5, IoU &gt;= threshold", "visible, IoU &gt;= threshold",
                  "b: success by another rule than the first"):  # fmt: skip
        assert words in made.html, words
    assert "<th>cut</th>" in made.html.replace('<th scope="col">', "<th>")
    assert main(["compare", str(first), str(first)]) == 0
    assert "success is IoU > 0.5" in capsys.readouterr().out

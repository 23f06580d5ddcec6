"""Where a budget ends before the questions do, what was asked is a random part, and the output says of which kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sample_oracles import BOX, Scripted, answered, picture, planned, questions, sample, saying
from test_refer_command import asked, serving

from egm_core.evaluate.__main__ import main
from egm_core.evaluate.samples.asking import Budget, shuffled
from egm_core.sample import write_samples

PICTURES = 12


@pytest.fixture
def rows(tmp_path):
    """Two questions about each of some pictures, one split after the other."""
    images = [picture(tmp_path, f"{n:02}.png", grey=20 * n) for n in range(PICTURES)]
    return [
        sample(image, f"{color} cup {n}", source="RefCOCO", split="val" if n < PICTURES // 2 else "testA")
        for n, image in enumerate(images) for color in ("red", "blue")
    ]  # fmt: skip


@pytest.fixture
def file(tmp_path, rows) -> Path:
    write_samples(tmp_path / "s.jsonl", rows)
    return tmp_path / "s.jsonl"


def budgeted(file: Path, url: str, count: int, *more: str, verb: str = "refer") -> int:
    return asked(file, url, "--budget", f"requests={count}", "--batch", "1", *more, verb=verb)


def test_pictures_are_shuffled_by_the_seed_and_keep_their_questions(tmp_path, rows):
    found = planned(questions(tmp_path, rows))
    one = [plan.question.sample.image for plan in shuffled(found, 42)]
    assert one[::2] == one[1::2] and len(set(one)) == PICTURES
    assert one != [plan.question.sample.image for plan in found]
    assert one != [plan.question.sample.image for plan in shuffled(found, 43)]
    assert one == [plan.question.sample.image for plan in shuffled(found[::-1], 42)]


def test_a_budget_asks_a_random_part_and_a_larger_one_has_it_too(file, tmp_path, capsys):
    out = tmp_path / "o.json"
    parts = []
    with serving(f"says:{saying(BOX)}") as server:
        for count in (6, 10):
            assert budgeted(file, server.url, count, "--json", str(out)) == 1
            printed = capsys.readouterr().out
            words = f"PART ONLY: {24 - count} of 24 questions were not asked; the others are a random part"
            assert printed.count(words) == 1 and "(--seed 42)" in printed
            stored = json.loads(out.read_text())
            assert stored["part"].startswith(words) and stored["part"] in stored["warnings"]
            parts.append([row["text"] for row in stored["rows"]])
        assert len(server.bodies) == 10
    assert set(parts[0]) < set(parts[1])
    assert {row["split"] for row in stored["rows"]} == {"val", "testA"}
    page = tmp_path / "r.html"
    assert main(["report", str(out), "--out", str(page), "--no-pictures"]) == 0
    assert page.read_text().index(words) < page.read_text().index('<section class="runs">')


def test_answers_in_another_order_make_a_part_that_is_not_random_and_is_called_so(file, tmp_path, capsys):
    answers = ["--answers", str(tmp_path / "a")]
    with serving(f"says:{saying(BOX)}") as server:
        assert budgeted(file, server.url, 6, *answers, "--seed", "1") == 1
        assert "a random part" in capsys.readouterr().out
        assert budgeted(file, server.url, 10, *answers, "--seed", "2") == 1
    printed = capsys.readouterr().out
    assert "no random part" in printed and "--sample N" in printed
    assert "the others are a random part" not in printed


def test_what_failed_before_does_not_make_a_part_less_random(tmp_path, rows):
    found = shuffled(planned(questions(tmp_path, rows)), 42)
    bad = found[1].question.sample.sent
    asker = Scripted(lambda prompt: ValueError("no") if bad in prompt else saying(BOX))
    first = answered(found, asker, tmp_path / "a", Budget(requests=4))
    assert (first.unasked, len(first.failed), first.drawn) == (2 * PICTURES - 4, 1, True)
    second = answered(found, asker, tmp_path / "a", Budget(requests=6))
    assert second.drawn and len(second.answers) == 5


def test_a_result_of_an_earlier_version_is_called_the_first_of_the_files(file, tmp_path, capsys):
    out = tmp_path / "o.json"
    with serving(f"says:{saying(BOX)}") as server:
        assert budgeted(file, server.url, 6, "--json", str(out)) == 1
    stored = json.loads(out.read_text())
    del stored["part"], stored["warnings"]
    out.write_text(json.dumps(stored))
    capsys.readouterr()
    assert main(["report", str(out), "--out", str(tmp_path / "r.html"), "--no-pictures"]) == 0
    assert "stand first in the files" in (tmp_path / "r.html").read_text()
    assert main(["compare", str(out), str(out)]) == 0
    assert "stand first in the files" in capsys.readouterr().err


def test_everything_asked_is_no_part(file, tmp_path, capsys):
    with serving(f"says:{saying(BOX)}") as server:
        assert budgeted(file, server.url, 99, "--json", str(tmp_path / "o.json")) == 0
    assert "PART ONLY" not in capsys.readouterr().out
    assert "part" not in json.loads((tmp_path / "o.json").read_text())

"""The proof of curation itself: a small one, and that each of its bars can be missed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from proof import _counted, main
from proof_judge import PASSED, RecordedJudge, facts_of, tell
from proof_ledger import Moment, Row, reconciled
from proof_recording import digest, read_recorded
from proof_server import Books, Question
from proof_table import Found
from proof_wordings import Planned, Wording, read

from egm_core.command.entry import main as egm
from egm_core.curate.prompts import Judgement, load
from egm_core.curate.rules.facts import Facts


def in_this_process(words: Sequence[str]) -> int:
    try:
        return egm(list(words)) or 0
    except SystemExit as end:
        return int(end.code or 0)


def test_a_small_proof_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--halves", "open", "--opened", "14", "--scenes", "6", "--kills", "0", "--steps", "0", "--faults", "0"]
    status = main(
        [*options, "--out", str(tmp_path / "p"), "--photographs", str(tmp_path / "none")], run=in_this_process
    )
    printed = capsys.readouterr()
    assert status == 0, printed.err
    assert "**planted mistakes caught**" in printed.out
    told = json.loads((tmp_path / "p/proof.json").read_text())
    assert not told["missed"] and sum(of for _, of in told["caught"]["open"].values()) == 14
    assert (told["figures"]["ledger_visible"]["differences"], told["figures"]["verify_fits"]["true"][1] > 0) == (
        [],
        True,
    )
    # The budgets that end are told apart from the one that does not.
    assert [line["holds"] for line in told["lines"] if "budget $" in line["what"]] == [True] * 5


def test_each_wording_has_only_known_slots() -> None:
    assert Counter(wording.kind == "good" for wording in read("open")) == {True: 960, False: 1170}
    assert Counter(wording.kind == "good" for wording in read("closed")) == {True: 220, False: 240}


def test_each_recorded_verdict_is_about_a_wording_of_the_closed_half_and_has_its_form() -> None:
    verdicts = read_recorded()
    assert verdicts.keys() <= {digest(one.task, one.trace) for one in read("closed")}
    assert len(verdicts) == 460 and all(Judgement.model_validate(one) for one in verdicts.values())


def question(trace: str) -> Question:
    asked = load("judge").render(
        expression="the mug", category="mug", amodal=False, colour="red", occluders=(), hidden_sides=(), others=(),
        trace=trace,
    )  # fmt: skip
    return Question(asked, (), frozenset(Judgement.model_fields), None)


def test_the_judge_says_what_was_recorded_and_of_the_rest_what_the_rules_suspect() -> None:
    judge, books = RecordedJudge(), Books()
    bad = Wording("closed", "drawing", "visible", "It is in the mark.")
    judge.verdicts = {digest("visible", bad.trace): PASSED | {"why": "The mark.", "speaks_of_drawing": True}}
    judge.spoken = {"It is in the mark.": Planned(bad, "It is in the mark.")}
    said = {}
    for trace in (bad.trace, "The mug stands alone on the table.", "The mug is inside the red frame on the table."):
        turns = [judge(question(trace), books) for _ in range(2)]
        said[trace] = json.loads(turns[-1].text)["speaks_of_drawing"]
    assert list(said.values()) == [True, False, True]
    other = Wording("open", "drawing", "visible", "Another.")
    assert [judge.condemns(one, suspected) for one in (bad, other) for suspected in (True, False)] == [
        True, True, True, False,
    ]  # fmt: skip
    found = Found()
    judge.came(bad, False, True)
    judge.came(bad, True, False)
    judge.came(other, True, True)
    judge.came(other, False, False)
    tell(judge, found)
    assert [told for _, told, _ in found.lines] == [
        "2: the rules alone decide, and condemn 1",
        "condemned: 1 / 2 = 50.0% (9.5% to 90.5%); suspected by the rules: 1, of which freed: 1",
    ]


def test_a_question_to_the_judge_tells_what_the_rules_know() -> None:
    known = Facts("the red box", "box", "cyan", "amodal", ("grey van", "blue bus"), ("left", "top"), ("green ball",))
    told = load("judge").render(
        expression=known.expression, category=known.category, amodal=True, colour="cyan", occluders=known.occluders,
        hidden_sides=known.hidden_sides, others=known.others, trace="It stands there.",
    )  # fmt: skip
    assert facts_of(told, "amodal") == known
    assert facts_of(question("It stands there.").text, "visible") == Facts("the mug", "mug", "red")


def test_who_decided_is_counted_and_the_rules_alone_stand_beside() -> None:
    found, judge = Found(), RecordedJudge()
    good, bad = (Wording("closed", kind, "visible", "Nothing is recorded.") for kind in ("good", "drawing"))
    for wording, decided in ((good, (False, True, False)), (bad, (True, False, False)), (bad, (False, False, True))):
        _counted(wording, decided, judge, found)
    assert found.counts == {
        "closed": {"good": [0, 1], "drawing": [2, 2]},
        "closed, rules alone": {"good": [1, 1], "drawing": [1, 2]},
    }
    assert sum(counts.total() for counts in judge.counts.values()) == 2, (
        "what the rules reject never comes to the judge"
    )


@pytest.mark.parametrize(
    ("rows", "before", "after", "wrong"),
    [
        ({"a": Row("answered", 1, 0)}, {"a": 1}, {"a": 1}, False),
        ({"a": Row("asked", 1, 0)}, {}, {}, False),
        ({"a": Row("answered", 1, 0)}, {"a": 1}, {"a": 2}, True),
        ({"a": Row("answered", 2, 0)}, {"a": 1}, {"a": 1}, True),
        ({"a": Row("answered", 1, 0)}, {"a": 1}, {"a": 1, "b": 1}, True),
    ],
    ids=["the same", "a kill before sending", "asked again", "a claim too many", "not in the ledger"],
)
def test_a_ledger_that_differs_is_found(rows: dict, before: dict, after: dict, wrong: bool) -> None:
    moments = [Moment(rows, Counter(before))]
    assert bool(reconciled(moments, Moment(rows, Counter(after)), str)[1]) == wrong


def test_a_claim_without_a_request_needs_a_connection_without_one() -> None:
    end = Moment({"a": Row("answered", 2, 0)}, Counter({"a": 1}))
    sums, wrong = reconciled([], end, str, unused=1)
    assert (sums["unconnected"], sums["cut_off_before_sending"], wrong) == (1, 0, [])
    assert len(reconciled([], end, str)[1]) == 1


def test_a_budget_that_is_exceeded_for_a_moment_is_found() -> None:
    books = Books()
    books.bound["visible"] = 0.01
    books.bill("visible", 2000, 0)
    assert not books.over
    books.bill("visible", 4000, 0)
    books.bound["visible"] = 1.0
    books.bill("visible", 1, 0)
    assert len(books.over) == 1 and books.nearest["visible"] == pytest.approx(1.2)


def test_bars_are_for_the_closed_half_and_can_be_missed() -> None:
    found = Found()
    found.count("open", [("drawing", False)] * 10)
    assert not found.missed()
    found.count("closed", [("drawing", True)] * 95 + [("numbers", False)] * 5 + [("good", False)] * 97)
    assert not found.missed()
    found.count("closed", [("numbers", False)])
    found.count("closed", [("good", True)] * 4)
    found.say("budget", "exceeded", False)
    assert len(found.missed()) == 3

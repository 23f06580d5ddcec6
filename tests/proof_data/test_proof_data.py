"""The proof of curation itself: a small one, and that each of its bars can be missed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from proof import main
from proof_ledger import Moment, Row, reconciled
from proof_server import Books
from proof_table import Found
from proof_wordings import read

from egm_core.command.entry import main as egm


def in_this_process(words: Sequence[str]) -> int:
    try:
        return egm(list(words)) or 0
    except SystemExit as end:
        return int(end.code or 0)


def test_a_small_proof_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--halves", "open", "--wordings", "14", "--scenes", "6", "--kills", "0", "--steps", "0", "--faults", "0"]
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
    assert [line["holds"] for line in told["lines"] if "budget $" in line["what"]] == [True] * 4


def test_each_wording_has_only_known_slots() -> None:
    counts = Counter(wording.kind == "good" for wording in read("open"))
    assert counts == {True: 220, False: 240}


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

"""What a command of evaluation says of a file that is not there: its name, and which command makes it, in one line."""

from __future__ import annotations

import pytest

from egm_core.evaluate.__main__ import main

RESULT, JUDGE = "no/such.json", "--judge=a=http://127.0.0.1:1"


@pytest.mark.parametrize(
    "words",
    [
        ["table", "4", f"X={RESULT}"], ["latency", f"X={RESULT}"], ["compare", RESULT, RESULT],
        ["theirs", RESULT, "--rule", "ref-l4"], ["report", RESULT, "--out", "{}/r.html"], ["failures", RESULT, JUDGE],
        ["tables", "--base", RESULT], ["reliability", RESULT], ["calibrate", "--result", RESULT],
        ["amodal", "{}/s.jsonl", "--json", "{}/o.json", "--growth", RESULT],
    ],
    ids=lambda words: words[0],
)  # fmt: skip
@pytest.mark.parametrize("folder", [False, True])
def test_a_file_that_is_not_there_is_refused_with_what_makes_it(words, folder, tmp_path, capsys):
    given = [word.format(tmp_path).replace(RESULT, str(tmp_path) if folder else RESULT) for word in words]
    if folder and words[0] in ("amodal",):
        given[-1] = str(tmp_path / "x.json")
        (tmp_path / "x.json").mkdir()
    assert main(given) == 2
    told = capsys.readouterr().err
    assert "Errno" not in told and len(told.strip().splitlines()) == 1
    assert (str(tmp_path) if folder else RESULT) in told
    assert "egm evaluate" in told.partition(": ")[2]

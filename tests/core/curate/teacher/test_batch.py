"""Batch files as OpenAI and Anthropic document them: written within their limits, and results read back."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from egm_core.asking.job import Job, picture_part, text_part
from egm_core.asking.store import Store
from egm_core.curate.money.prices import Price
from egm_core.curate.money.tally import Tally
from egm_core.curate.prompts import load
from egm_core.curate.teacher import Teacher, ask, batch
from egm_core.curate.teacher.ask import NothingCame
from egm_core.engines.base import Sampling

PRICE = Price("*", 10.0, 100.0, "2026-11-28", "a test")


@pytest.fixture
def made(tmp_path: Path) -> list[Job]:
    picture = tmp_path / "a.png"
    cv2.imwrite(str(picture), np.full((48, 64, 3), 90, np.uint8))
    schema = load("verify").schema
    return [
        Job(
            f"{i:032x}",
            ({"role": "user", "content": [picture_part(str(picture)), text_part(f"question {i}")]},),
            Sampling(max_tokens=300, temperature=0.7),
            schema,
        )
        for i in range(7)
    ]


def ask_all(made: list[Job], who: Teacher, folder: Path) -> dict[str, Any]:
    return {job.key: answer for job, answer in ask(made, who, folder / "answers.sqlite")}


def written(made: list[Job], who: Teacher, folder: Path) -> list[Path]:
    with pytest.raises(SystemExit, match="0"):
        ask_all(made, replace(who, batch_out=folder / "batch"), folder)
    return sorted((folder / "batch").iterdir())


def test_openai_rows(made: list[Job], tmp_path: Path) -> None:
    (file,) = written(made, Teacher(name="gpt-4.1"), tmp_path)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["custom_id"] for row in rows] == [job.key for job in made] and file.suffix == ".jsonl"
    row = rows[0]
    assert row.keys() == {"custom_id", "method", "url", "body"}
    assert (row["method"], row["url"]) == ("POST", "/v1/chat/completions")
    body = row["body"]
    assert (body["model"], body["max_completion_tokens"], body["temperature"]) == ("gpt-4.1", 300, 0.7)
    form = body["response_format"]["json_schema"]
    assert form["strict"] and form["schema"]["required"] == ["why", "accurate", "unique"]
    assert form["schema"]["additionalProperties"] is False and "minLength" not in json.dumps(form)
    picture, text = body["messages"][0]["content"]
    assert text == {"type": "text", "text": "question 0"}
    head, _, data = picture["image_url"]["url"].partition(",")
    assert head == "data:image/jpeg;base64" and base64.b64decode(data).startswith(b"\xff\xd8")
    (thinking,) = written(made, Teacher(name="gpt-5-mini"), tmp_path / "five")
    assert "temperature" not in json.loads(thinking.read_text().splitlines()[0])["body"]


def test_anthropic_rows(made: list[Job], tmp_path: Path) -> None:
    (file,) = written(made, Teacher(name="claude-sonnet-5"), tmp_path)
    told = json.loads(file.read_text())
    assert told.keys() == {"requests"} and len(told["requests"]) == 7
    row = told["requests"][0]
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", row["custom_id"])
    assert row["params"].keys() == {"model", "max_tokens", "temperature", "messages"}
    picture, text = row["params"]["messages"][0]["content"]
    assert picture["source"].keys() == {"type", "media_type", "data"} and picture["type"] == "image"
    assert picture["source"]["media_type"] == "image/jpeg" and text["text"] == "question 0"


@pytest.mark.parametrize(("rows", "size", "files"), [(3, 10**9, 3), (100, 0, 7), (7, 10**9, 1)])
def test_files_keep_the_limits(
    made: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, size: int, files: int
) -> None:
    for name in ("openai", "anthropic"):
        vendor = batch.VENDORS[name]
        one = len(json.dumps(vendor.row(made[0], "m", Teacher().read)).encode()) + vendor.around + 8
        small = replace(vendor, most_rows=rows, most_bytes=size or one)
        monkeypatch.setitem(batch.VENDORS, name, small)
        model = "claude-x" if name == "anthropic" else "m"
        found = written(made, Teacher(name=model), tmp_path / name)
        assert len(found) == files and all(file.stat().st_size <= small.most_bytes for file in found)
    limits = [(vendor.most_rows, vendor.most_bytes) for vendor in (batch.batch_openai.VENDOR,
                                                                   batch.batch_anthropic.VENDOR)]  # fmt: skip
    assert limits == [(50_000, 200_000_000), (100_000, 256_000_000)]


def chat(text: str, finish: str = "stop") -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text, "refusal": None}, "finish_reason": finish}
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4.1-2025-04-14", "choices": [choice],
            "usage": usage}  # fmt: skip


def openai_results(made: list[Job]) -> list[dict[str, Any]]:
    def answered(job: Job, status: int, body: dict[str, Any]) -> dict[str, Any]:
        response = {"status_code": status, "request_id": "req_1", "body": body}
        return {"id": "batch_req_1", "custom_id": job.key, "response": response, "error": None}

    refused = {"error": {"message": "bad picture", "type": "invalid_request_error", "param": None, "code": None}}
    expired = {"code": "batch_expired", "message": "This request could not be executed before the window expired."}
    return [
        answered(made[0], 200, chat("fine")),
        answered(made[1], 200, chat("cut", "length")),
        answered(made[2], 400, refused),
        {"id": "batch_req_4", "custom_id": made[3].key, "response": None, "error": expired},
        answered(replace(made[0], key="strange"), 200, chat("of another")),
    ]


def anthropic_results(made: list[Job]) -> list[dict[str, Any]]:
    def message(text: str, reason: str) -> dict[str, Any]:
        usage = {"input_tokens": 1000, "output_tokens": 100}
        content = [{"type": "text", "text": text}]
        told = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5", "content": content,
                "stop_reason": reason, "stop_sequence": None, "usage": usage}  # fmt: skip
        return {"type": "succeeded", "message": told}

    wrong = {"type": "error", "error": {"type": "invalid_request_error", "message": "bad picture"}}
    results = [message("fine", "end_turn"), message("cut", "max_tokens"), {"type": "errored", "error": wrong},
               {"type": "expired"}]  # fmt: skip
    return [{"custom_id": job.key, "result": told} for job, told in zip(made, results, strict=False)]


@pytest.mark.parametrize(("model", "results"), [("gpt-4.1", openai_results), ("claude-sonnet-5", anthropic_results)])
def test_results_come_into_the_ledger_and_failures_stay_failures(
    made: list[Job], tmp_path: Path, model: str, results: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "results.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in results(made)))
    who = Teacher(name=model, price=PRICE, batch_in=(file,))
    found = ask_all(made, who, tmp_path)
    whys = [found[job.key].error for job in made]
    assert not whys[0] and found[made[0].key].text == "fine"
    for why, words in zip(
        whys[1:], ("truncated", "bad picture", "expired", *["not in the batch files"] * 3), strict=True
    ):
        assert words in why, why
    printed = capsys.readouterr().out
    assert "4 results taken in, 3 of them failures" in printed and ("1 are of another step" in printed) == (
        model == "gpt-4.1"
    )
    with Store(tmp_path / "answers.sqlite", {"what": "answers of teachers"}) as store:
        assert store.money() == (pytest.approx(2 * (1000 * 10 + 100 * 100) / 1e6 / 2), 0)
    assert ask_all(made[:1], who, tmp_path)[made[0].key].text == "fine"
    (rest,) = written(made, Teacher(name="gpt-4.1"), tmp_path)
    assert len(rest.read_text().splitlines()) == 5, "what was refused and what never came goes into the next file"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"id": "x"}\n', r"results.jsonl:1 is no result of a batch \(it has not the form of any vendor"),
        (b'{"custom_id": "x", "body": {}}\n', r"results.jsonl:1 .*it is a request"),
        (gzip.compress(b'{"id": "x"}\n', mtime=0), r"results.jsonl is compressed"),
        (b"\n\xff\n", r"results.jsonl:2 is no result"),
    ],
)
def test_a_file_that_is_none_is_named(made: list[Job], tmp_path: Path, data: bytes, words: str) -> None:
    file = tmp_path / "results.jsonl"
    file.write_bytes(data)
    with pytest.raises(ValueError, match=words):
        ask_all(made, Teacher(name="m", batch_in=(file,)), tmp_path)


def test_what_failed_need_not_be_written_again(made: list[Job], tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "results.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in openai_results(made)))
    who = Teacher(name="gpt-4.1", batch_in=(file,))
    ask_all(made, who, tmp_path)
    # A row that was cut off is not paid again, the refused and the expired one may be tried.
    assert len(written(made, Teacher(name="gpt-4.1"), tmp_path)[0].read_text().splitlines()) == 5
    assert "2 of them have failed before; --partial goes on" in capsys.readouterr().out
    partial = Teacher(name="gpt-4.1", batch_out=tmp_path / "none", partial=True)
    found = ask_all(made[:4], partial, tmp_path)
    assert [bool(answer.error) for answer in found.values()] == [False, True, True, True]
    assert not (tmp_path / "none").exists(), "the steps after this one go on"


def test_a_picture_that_cannot_be_read_stands_in_no_step_s_way(made: list[Job], tmp_path: Path) -> None:
    content = [picture_part(str(tmp_path / "gone.png")), text_part("question")]
    gone = replace(made[0], key="f" * 32, messages=({"role": "user", "content": content},))
    who = Teacher(name="gpt-4.1", partial=True)
    (file,) = written([*made, gone], who, tmp_path)
    assert len(file.read_text().splitlines()) == 7
    tally = Tally()
    list(ask([gone], replace(who, batch_out=tmp_path / "w"), tmp_path / "other.sqlite", tally=tally))
    assert (tally.requests, tally.unsent) == (0, 1)
    for folder in ("x", "y"):
        found = ask_all([gone], replace(who, batch_out=tmp_path / folder), tmp_path)
        assert "gone.png" in found[gone.key].error and not (tmp_path / folder).exists()


@pytest.mark.parametrize("apart", [False, True], ids=["in one file", "in two files"])
def test_of_two_answers_of_one_id_the_last_is_taken_and_said(
    made: list[Job], tmp_path: Path, caplog: pytest.LogCaptureFixture, apart: bool
) -> None:
    fine, _, refused, *_ = openai_results(made)
    other = json.loads(json.dumps(fine).replace('"fine"', '"other"'))
    refused["custom_id"] = made[0].key
    files = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"][: 1 + apart]
    rows = [[refused, fine, fine, refused], [other, other, refused]]
    for file, some in zip(files, rows if apart else [rows[0] + rows[1]], strict=True):
        file.write_text("".join(json.dumps(row) + "\n" for row in some))
    found = ask_all(made[:1], Teacher(name="gpt-4.1", batch_in=tuple(files)), tmp_path)
    assert found[made[0].key].text == "other"
    assert f"1 ids of batch results have two answers that differ, such as {made[0].key} in {files[-1]}" in caplog.text
    caplog.clear()
    files[-1].write_text("".join(json.dumps(row) + "\n" for row in rows[0]))
    found = ask_all(made[:1], Teacher(name="gpt-4.1", batch_in=(files[-1],)), tmp_path / "anew")
    assert found[made[0].key].text == "fine" and "two answers" not in caplog.text, "failures, and the same again"


def test_files_of_other_questions_make_no_failures_of_what_was_never_asked(made: list[Job], tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    file.write_text(json.dumps(openai_results(made)[4]) + "\n")
    with pytest.raises(NothingCame, match=r"none of its 7 questions is in the batch files.*--batch-out"):
        ask_all(made, Teacher(name="m", batch_in=(file,)), tmp_path)


def test_a_budget_holds_for_files_and_no_file_is_written_over(made: list[Job], tmp_path: Path) -> None:
    who = Teacher(name="gpt-4.1", price=PRICE, limit=0.1, batch_out=tmp_path / "b")
    with pytest.raises(ValueError, match=r"has room for \d of 7 questions"):
        ask_all(made, who, tmp_path)
    assert not (tmp_path / "b").exists()
    (tmp_path / "b").mkdir()
    (tmp_path / "b/batch_001.jsonl").touch()
    with pytest.raises(ValueError, match="is not empty"):
        ask_all(made, replace(who, limit=None), tmp_path)


def test_the_terms_are_said_before_files_are_written_and_once_in_a_run(
    made: list[Job], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    who = Teacher(name="gpt-4.1", batch_out=tmp_path / "out", batch_in=())
    with pytest.raises(SystemExit):
        list(ask(made, who, tmp_path / "answers.sqlite"))
    assert "must not train models that compete with OpenAI" in caplog.text
    caplog.clear()
    tally = Tally()
    for folder in ("two", "three"):
        with pytest.raises(SystemExit):
            list(ask(made, replace(who, batch_out=tmp_path / folder), tmp_path / "answers.sqlite", tally=tally))
    assert caplog.text.count("must not train models") == 1

"""Servers that give no answer: what is said while they are waited for, and when waiting helps nothing."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import replace
from pathlib import Path

import pytest
from paid_server import paid
from test_ask import answers, jobs, teacher

from egm_core.curate.teacher.batch import read_rows
from egm_core.curate.teacher.usable import checked
from egm_core.engines.base import EngineError


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a server that failed again soon, and tell of it soon."""
    for name, seconds in (("FIRST_WAIT", 0.01), ("LONGEST_WAIT", 0.05), ("QUIET", 0.2), ("AGAIN", 0.4)):
        monkeypatch.setattr(f"egm_core.asking.endpoint.{name}", seconds)


def test_a_server_that_is_waited_for_is_named_with_its_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    began = time.monotonic()

    def script(text: str, before: int) -> tuple[int, dict[str, str]] | dict[str, str]:
        return (429, {}) if time.monotonic() - began < 1.5 else {}

    with paid() as server, caplog.at_level(logging.WARNING, "egm.asking"):
        server.script = script
        found = answers(jobs(3), teacher(server), tmp_path)
        url = server.url
    assert not any(answer.error for answer in found.values())
    told = [record.getMessage() for record in caplog.records if record.name == "egm.asking"]
    assert 2 <= len(told) <= 4, told
    assert all(url in line and "HTTP 429: scripted 429" in line and "given up after" in line for line in told)


def test_a_server_that_answers_between_its_refusals_is_not_talked_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egm_core.asking.endpoint.QUIET", 10.0)
    with paid() as server, caplog.at_level(logging.WARNING, "egm.asking"):
        server.script = lambda text, before: (429, {}) if not before else {}
        answers(jobs(6), teacher(server), tmp_path)
    assert not [record for record in caplog.records if record.name == "egm.asking"]


def test_a_server_that_sends_on_ends_the_run_with_the_address_that_it_names(tmp_path: Path) -> None:
    with paid() as server:
        server.script = lambda text, before: (308, {"Location": "https://elsewhere.example/v1"})
        with pytest.raises(EngineError, match=r"HTTP 308: it sends on to https://elsewhere\.example/v1"):
            answers(jobs(60), teacher(server), tmp_path)
        assert sum(server.asked.values()) < 20


@pytest.mark.parametrize(("status", "error"), [
    (429, {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}),
    (402, {"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"}),
])  # fmt: skip
def test_an_account_without_money_ends_the_run_at_once(status: int, error: dict[str, str], tmp_path: Path) -> None:
    with paid() as server:
        server.script = lambda text, before: {"status": status, "error": error}
        began = time.monotonic()
        with pytest.raises(EngineError, match=f"no server is left .*HTTP {status}: {error['message']}"):
            answers(jobs(3), teacher(server), tmp_path)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(("key", "told"), [("", "no key was sent; A_KEY is read"), ("x", "was taken from A_KEY")])
def test_a_key_that_is_refused_is_named_by_its_variable(
    key: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", key)
    with paid() as server:
        server.script = lambda text, before: (401, {})
        made = teacher(server)
        who = replace(made, serving=replace(made.serving, api_key_env="A_KEY"))
        with pytest.raises(EngineError, match=f"HTTP 401: scripted 401; .*{told}"):
            answers(jobs(1), who, tmp_path)


def test_the_words_of_a_refusal_are_kept(tmp_path: Path) -> None:
    with paid() as server:
        server.script = lambda text, before: {"text": None, "message": {"refusal": "I cannot help with that."}}
        found = answers(jobs(1), teacher(server), tmp_path)
    assert [answer.text for answer in found.values()] == ["I cannot help with that."]


@pytest.mark.parametrize("field", ["tool_calls", "function_call"])
def test_an_answer_that_only_calls_a_tool_is_called_so(field: str, tmp_path: Path) -> None:
    call = {"name": "find_object", "arguments": "{}"}
    message = {field: [{"id": "1", "type": "function", "function": call}] if field == "tool_calls" else call}
    with paid() as server:
        server.script = lambda text, before: {"text": None, "finish": field, "message": message}
        (answer,) = answers(jobs(1), teacher(server), tmp_path).values()
        assert answer.error.startswith("empty: the answer has no text and calls a tool (find_object)")
        answers(jobs(1), teacher(server), tmp_path)
        assert server.answers == 1, "it was made and is paid"
        server.script = lambda text, before: {"text": "It is there.", "finish": field, "message": message}
        (answer,) = answers(jobs(1), teacher(server), tmp_path / "other").values()
    assert (answer.text, answer.error) == ("It is there.", "")


def test_a_batch_row_that_only_calls_a_tool_is_called_so(tmp_path: Path) -> None:
    call = {"type": "function", "function": {"name": "find_object", "arguments": "{}"}}
    choice = {"message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}
    row = {"custom_id": "a", "response": {"status_code": 200, "body": {"choices": [choice]}}, "error": None}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    (found,) = read_rows(tmp_path / "rows.jsonl")
    assert "calls a tool (find_object)" in checked(found.answer).error

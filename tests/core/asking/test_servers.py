"""Servers: those that fail, come back, refuse, are busy, or have another model; and what an answer carries."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scoring_run import asked, servers, tell

from egm_core.asking.job import Answer, Job, picture_part, text_part
from egm_core.asking.served import Serving
from egm_core.asking.servers import ServerAsker
from egm_core.engines.base import EngineError, Sampling, Token

sys.path.append(str(Path(__file__).parents[1] / "engines"))

import misbehaving


def read(reference: Any) -> NDArray[np.uint8]:
    """Give a picture for what names one."""
    if reference != {"name": "grey"}:
        raise ValueError(f"{reference} is cut short")
    return np.full((8, 8, 3), 128, np.uint8)


def jobs(count: int, **fields: Any) -> Iterator[Job]:
    for i in range(count):
        yield Job.about_picture(f"job {i}", {"name": "grey"}, f"Locate the thing {i}.", **fields)


def answers(urls: list[str], made: Iterator[Job], **serving: Any) -> list[Answer]:
    """Put jobs to servers."""
    found: list[Answer] = []
    ServerAsker(tuple(urls), read, Serving(**{"patience": 60.0, "concurrency": 4, **serving})).ask(made, found.append)
    return found


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a server that failed again at once."""
    monkeypatch.setattr("egm_core.asking.endpoint.FIRST_WAIT", 0.01)
    monkeypatch.setattr("egm_core.asking.endpoint.LONGEST_WAIT", 0.01)


@pytest.mark.parametrize("mode", ["error500", "die"])
def test_the_work_of_a_server_that_fails_goes_to_the_others(mode: str) -> None:
    with servers(2) as urls:
        tell(urls[0], mode=mode)
        found = answers(urls, jobs(60))
        assert asked(urls[1]) >= 60
    assert len(found) == len({answer.key for answer in found}) == 60
    assert all(answer.text and not answer.error for answer in found)


def test_a_server_that_comes_back_is_asked_again() -> None:
    with servers(1, mode="error500") as urls:

        def mend() -> None:
            while not asked(urls[0]):
                time.sleep(0.05)
            tell(urls[0], mode="found")

        mending = Thread(target=mend)
        mending.start()
        found = answers(urls, jobs(40))
        mending.join()
    assert len(found) == 40 and not any(answer.error for answer in found)


def test_when_all_servers_are_gone_the_error_names_each() -> None:
    urls = ["http://127.0.0.1:9", "http://127.0.0.1:10"]
    with pytest.raises(EngineError, match=r"no server is left .*127\.0\.0\.1:9: Connect.*127\.0\.0\.1:10: Connect"):
        answers(urls, jobs(5), patience=0.3)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("status:400", "32 questions in a row were refused, the last: HTTP 400: the moon is in the wrong place"),
        ("status:401", "no server is left to ask .*HTTP 401: the moon"),
        ("status:500", "32 questions in a row were refused, the last: 6 attempts failed, .*HTTP 500: the moon"),
        ("page", "32 questions in a row were refused, .* no chat answer"),
    ],
)
def test_servers_that_refuse_everything_end_the_run(status: str, message: str) -> None:
    with misbehaving.running() as server:
        server.model = status
        with pytest.raises(EngineError, match=message):
            answers([server.url], jobs(80), concurrency=16, patience=3600)


def test_a_picture_that_cannot_be_read_is_an_error_of_its_job_alone() -> None:
    torn = Job.about_picture("torn", "torn.png", "Locate it.")
    with servers(1) as urls:
        found = {answer.key: answer for answer in answers(urls, iter([torn, *jobs(3)]))}
    assert found.pop("torn").error == "torn.png is cut short"
    assert len(found) == 3 and not any(answer.error for answer in found.values())


def test_text_that_is_no_unicode_is_an_error_of_its_job_alone() -> None:
    halved = Job("halved", ({"role": "user", "content": "half a \ud800"},))
    with servers(1) as urls:
        found = {answer.key: answer for answer in answers(urls, iter([halved, *jobs(3)]))}
    assert "no Unicode" in found["halved"].error and len(found) == 4


def test_an_answer_carries_what_the_server_tells() -> None:
    with misbehaving.running() as server:
        server.model = "whole:It is there."
        (answer,) = answers([server.url], jobs(1, logprobs=True))
    assert (answer.key, answer.text, answer.finish, answer.error) == ("job 0", "It is there.", "stop", "")
    assert answer.usage == {"prompt_tokens": 7, "completion_tokens": 1} and answer.model == "of-today"
    assert answer.tokens == (Token("It is there.", -0.5),)
    assert abs(answer.at - time.time()) < 60 and 0 < answer.seconds < 60
    assert Answer.from_json(answer.to_json()) == answer


def test_a_job_is_sent_as_it_is_written() -> None:
    schema = {"type": "object", "properties": {"fits": {"type": "boolean"}}}
    messages = (
        {"role": "system", "content": "You judge."},
        {
            "role": "user",
            "content": [picture_part({"name": "grey"}), picture_part({"name": "grey"}), text_part("Same?")],
        },
    )
    job = Job("two", messages, Sampling(max_tokens=9, temperature=0.5, top_p=0.9, seed=3), schema)
    with misbehaving.running() as server:
        server.model = "whole:yes"
        answers([server.url], iter([Job.from_json(job.to_json())]))
        (body,) = server.bodies
    system, user = body["messages"]
    assert system == messages[0] and [part["type"] for part in user["content"]] == ["image_url", "image_url", "text"]
    assert user["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert body["response_format"]["json_schema"]["schema"] == schema
    told = {name: body[name] for name in ("model", "max_tokens", "temperature", "top_p", "seed")}
    assert told == {"model": "whole:yes", "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "seed": 3}
    assert not body.get("stream") and "logprobs" not in body


def test_a_server_that_limits_tokens_by_another_name_is_asked_by_that() -> None:
    with misbehaving.running() as server:
        server.model = "renamed:here"
        found = answers([server.url], jobs(5), concurrency=1)
        assert [answer.text for answer in found] == ["here"] * 5
        assert len(server.bodies) == 6, "what worked is kept"


@pytest.mark.usefixtures("impatient")
def test_a_busy_server_is_left_alone_for_as_long_as_it_says() -> None:
    with misbehaving.running() as server:
        server.model = "retry:1"
        began = time.monotonic()
        found = answers([server.url], jobs(1))
        assert time.monotonic() - began >= 1
    assert [answer.text for answer in found] == ["now"]


def test_one_of_several_models_is_asked_for_by_name_and_never_guessed() -> None:
    with servers(1, models=["first", "second"]) as urls:
        with pytest.raises(EngineError, match="serves 'first', 'second', and nothing says which"):
            _ = ServerAsker(tuple(urls), read, Serving(patience=0)).about
        asker = ServerAsker(tuple(urls), read, Serving(model="second"))
        assert asker.about["model"] == "second"
        found: list[Answer] = []
        asker.ask(jobs(3), found.append)
    assert len(found) == 3 and not any(answer.error for answer in found)


def test_a_server_that_has_another_model_than_the_rest_is_named() -> None:
    with servers(2) as urls:
        tell(urls[0], model="first")
        tell(urls[1], model="second")
        with pytest.raises(EngineError, match="servers that share the work must have one model"):
            answers(urls, jobs(1))
        assert len(answers(urls[:1], jobs(3))) == 3
        # It may also come later.
        asker = ServerAsker(tuple(urls[:1]), read, Serving())
        assert asker.served.name == "first"
        tell(urls[0], model="second")
        with pytest.raises(EngineError, match="serves 'second', and none is called 'first'"):
            asker.ask(jobs(1), list[object]().append)


def test_a_servers_weights_are_told_where_they_lie_here(served_qwen: str, memorising_qwen: Path) -> None:
    told = ServerAsker((served_qwen,), read, Serving(patience=60.0)).about
    assert (told["model"], told["root"]) == ("memorising_qwen", str(memorising_qwen)) and len(told["weights"]) == 1

"""The book of answers under way: each ends once, and whoever stops it leaves nobody waiting."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest

from egm_core.engines.answer_book import AnswerBook, Entry
from egm_core.engines.base import Chunk, EngineError, Request

PICTURE = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield loop
    if not loop.is_closed():
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def entry(name: str) -> Entry:
    return Entry(Request(name, PICTURE, "the mug"))


def begun(book: AnswerBook[Entry], one: Entry, loop: asyncio.AbstractEventLoop) -> threading.Event:
    """Enter an answer that never comes; what is given is set once its work was cancelled."""
    cut = threading.Event()

    async def work() -> None:
        one.task = asyncio.current_task()
        try:
            await asyncio.sleep(600)
        finally:
            cut.set()

    book.enter(one, lambda: asyncio.run_coroutine_threadsafe(work(), loop))
    return cut


def wait_for_task(one: Entry) -> None:
    end = time.monotonic() + 10
    while one.task is None and time.monotonic() < end:
        time.sleep(0.001)


def test_pieces_come_in_order_and_the_id_is_free_again(loop: asyncio.AbstractEventLoop) -> None:
    book: AnswerBook[Entry] = AnswerBook(loop)
    one = entry("one")
    assert book.enter(one, lambda: "begun") == "begun"
    for item in (Chunk("a"), Chunk("b", (), "stop"), Chunk("too late")):
        book.put(one, item)
    assert [chunk.text for chunk in book.pieces(one)] == ["a", "b"]
    assert one.chunks.empty()
    book.enter(entry("one"), lambda: None)


def test_an_error_ends_an_answer(loop: asyncio.AbstractEventLoop) -> None:
    book: AnswerBook[Entry] = AnswerBook(loop)
    one = entry("one")
    book.enter(one, lambda: None)
    book.put(one, EngineError("engine_failed", "scripted"))
    book.stop("one")
    with pytest.raises(EngineError, match="scripted"):
        list(book.pieces(one))
    assert one.chunks.empty()


def test_two_answers_may_not_have_one_id(loop: asyncio.AbstractEventLoop) -> None:
    book: AnswerBook[Entry] = AnswerBook(loop)
    book.enter(entry("one"), lambda: None)
    with pytest.raises(EngineError, match="'one' is already running"):
        book.enter(entry("one"), lambda: pytest.fail("was begun"))


@pytest.mark.parametrize("how", ["stop", "close", "leave"])
def test_a_stopped_answer_ends_and_its_work_is_cancelled(loop: asyncio.AbstractEventLoop, how: str) -> None:
    book: AnswerBook[Entry] = AnswerBook(loop)
    one = entry("one")
    cut = begun(book, one, loop)
    wait_for_task(one)
    pieces = book.pieces(one)
    if how == "leave":
        book.put(one, Chunk("a"))
        assert next(pieces).text == "a"
        pieces.close()  # type: ignore[attr-defined]
    else:
        book.stop("another")
        book.put(one, Chunk("a"))
        book.stop("one") if how == "stop" else book.close()
        assert [(chunk.text, chunk.finish) for chunk in pieces] == [("a", None), ("", "abort")]
    assert cut.wait(10)


def test_a_closed_book_takes_no_further_answer(loop: asyncio.AbstractEventLoop) -> None:
    book: AnswerBook[Entry] = AnswerBook(loop)
    book.close()
    with pytest.raises(EngineError) as caught:
        book.enter(entry("one"), lambda: pytest.fail("was begun"))
    assert caught.value.reason == "engine_closed"


def test_an_answer_ends_where_its_loop_is_closed_already(loop: asyncio.AbstractEventLoop) -> None:
    closed = asyncio.new_event_loop()
    closed.close()
    book: AnswerBook[Entry] = AnswerBook(closed)
    one = entry("one")
    book.enter(one, lambda: None)
    book.stop("one")
    assert [chunk.finish for chunk in book.pieces(one)] == ["abort"]

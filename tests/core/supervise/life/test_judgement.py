"""What a query says of the engine: when it is replaced, what is told, and which remedy is named."""

from __future__ import annotations

import pytest

from egm_core.supervise.life.judgement import Judged, judge
from egm_core.supervise.policy import Care, Event, Record

CARE = Care(failure_limit=2, restart_limit=1, restart_window=60.0, query_timeout=4.0)


def judged(record: Record, event: Event, allowed: bool = True, url: str = "", longest: float = 0.0) -> Judged:
    return judge(record, event, "the detail", CARE, allowed, url, longest)


def told(found: Judged) -> str:
    assert found.doomed is None and found.state is not None
    assert (found.state.state, found.state.reason) == ("ready", "engine_degraded")
    return found.state.detail


def test_failures_in_a_row_doom_an_engine_that_may_be_replaced() -> None:
    first = judged(Record(), "broken")
    assert first.doomed is None and first.state is None
    second = judged(first.record, "broken")
    assert second.doomed is not None and second.state is None
    assert str(second.doomed) == "engine_unusable: 2 failures in a row, the last one: the detail"


def test_want_of_memory_dooms_at_once_and_has_a_word_of_its_own() -> None:
    doomed = judged(Record(), "no_memory").doomed
    assert doomed is not None and str(doomed) == "engine_out_of_memory: the detail"


@pytest.mark.parametrize(
    ("record", "event", "url", "count", "remedy"),
    [
        (Record(unreadable=1), "unreadable", "", "2 answers in a row that cannot be read", "whether `family` fits"),
        (Record(late=1), "late", "", "2 answers in a row later than query_timeout", "raise query_timeout"),
        (Record(partial=1), "partial", "", "2 amodal queries in a row that failed", "amodal_model"),
        (Record(broken=1), "broken", "", "2 failures in a row", "restart_limit 1 within 60 s is reached"),
        (Record(broken=1), "broken", "http://robot", "2 failures in a row", "see its own log"),
    ],
)
def test_an_engine_that_stays_is_degraded_and_a_remedy_is_named(
    record: Record, event: Event, url: str, count: str, remedy: str
) -> None:
    words = told(judged(record, event, allowed=False, url=url))
    assert words.startswith(f"{count}, ") or words.startswith(f"{count}: ")
    assert "the last one: the detail; " in words and remedy in words


def test_the_same_trouble_is_told_once() -> None:
    first = judged(Record(late=1), "late")
    assert judged(first.record, "late").state is None


@pytest.mark.parametrize(("longest", "said"), [(3.0, False), (7.25, True)])
def test_how_long_an_answer_took_is_told_where_it_exceeds_the_limit(longest: float, said: bool) -> None:
    assert ("an answer took" in told(judged(Record(late=1), "late", longest=longest))) is said


def test_smaller_pictures_are_told_and_recovery_is() -> None:
    small = judged(Record(shortages=2), "fitted")
    assert "halved" in told(small)
    back = judged(Record(trouble="late"), "usable").state
    assert back is not None and (back.reason, back.detail) == ("engine_ready", "usable answers again")

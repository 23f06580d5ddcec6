"""When an engine is replaced, and when a new process would not help."""

from __future__ import annotations

import pytest

from egm_core.grounder.grounder import Grounding
from egm_core.supervise.policy import (
    LONGEST_PAUSE,
    Care,
    Record,
    Restarts,
    after,
    after_death,
    out_of_memory,
    pause_before,
)
from egm_core.supervise.query import event_of, half_failed

CARE = Care(failure_limit=3, restart_limit=2)


def follow(record: Record, *events: str, care: Care = CARE, allowed: bool = True) -> tuple[Record, list[bool]]:
    verdicts = []
    for event in events:
        record, replaced = after(record, event, care, allowed)
        verdicts.append(replaced)
    return record, verdicts


def test_pauses_double_up_to_half_a_minute_and_begin_again_after_a_healthy_spell():
    pauses = [pause_before(0.0, 0.0, 1.0)]
    for _ in range(7):
        pauses.append(pause_before(pauses[-1], 0.1, 1.0))
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert pause_before(30.0, LONGEST_PAUSE, 1.0) == 1.0
    assert pause_before(45.0, 0.0, 45.0) == 45.0


def test_failures_of_the_engine_in_a_row_replace_it():
    record, verdicts = follow(Record(), "broken", "broken", "broken")
    assert verdicts == [False, False, True]
    assert record == Record()


@pytest.mark.parametrize("event", ["unreadable", "late"])
def test_what_a_model_says_and_how_long_it_takes_never_replace_it_but_degrade_it(event):
    record, verdicts = follow(Record(), *[event] * 50)
    assert not any(verdicts)
    assert record.trouble == event
    assert follow(Record(), *[event] * 2)[0].trouble == ""
    assert follow(record, "usable")[0] == Record()


def test_words_lateness_and_failures_do_not_add_up():
    record, verdicts = follow(Record(), *["broken", "broken", "unreadable", "late", "late", "unreadable"] * 9)
    assert not any(verdicts)
    assert record.trouble == "unreadable"
    assert record.broken == 0


def test_a_mute_engine_is_replaced_at_once():
    assert follow(Record(late=2), "mute") == (Record(), [True])


def test_amodal_queries_that_always_fail_degrade_and_never_replace():
    record = Record()
    for number in range(1, 3 * Care().failure_limit):
        record, replaced = after(record, "partial", Care(), allowed=True)
        assert (replaced, record.degraded) == (False, number >= Care().failure_limit)
    assert not after(record, "usable", Care(), allowed=True)[0].degraded


@pytest.mark.parametrize(
    ("warning", "failed"),
    [
        ("amodal_failed: engine_http_500: x", True),
        ("amodal_failed: engine_http_400: x", True),
        ("amodal_failed: engine_cut_stream: x", True),
        ("amodal_failed: engine_unreachable: x", False),
        ("amodal_failed: engine_aborted: x", False),
        ("amodal_forced: x", False),
    ],
)
def test_a_half_failed_query_is_told_from_a_lost_one(warning, failed):
    assert half_failed(Grounding("found", warnings=(warning,))) == failed
    assert not half_failed(Grounding("error", "engine_http_500", warnings=(warning,)))


def test_a_usable_answer_between_failures_starts_the_count_again():
    record, verdicts = follow(Record(), "broken", "broken", "usable", "broken", "broken")
    assert not any(verdicts)
    assert record == Record(broken=2)


def test_a_limit_of_zero_never_replaces_for_answers():
    record, verdicts = follow(Record(), *["broken", "unreadable", "late"] * 50, "mute", care=Care(failure_limit=0))
    assert not any(verdicts)
    assert record.trouble == "mute"


@pytest.mark.parametrize("event", ["broken", "mute", "no_memory"])
def test_where_no_restart_is_allowed_the_engine_is_degraded_and_left_alone(event):
    record, verdicts = follow(Record(), *[event] * 12, allowed=False)
    assert not any(verdicts)
    assert (record.trouble, record.smaller) == (event, event == "no_memory")


def test_restarts_are_bounded_within_the_window_whatever_comes_between():
    care, restarts, times = Care(restart_limit=3, restart_window=100.0), Restarts(), []
    for second in range(1000):
        if restarts.wait(float(second), care) <= 0.0:
            restarts = restarts.at(float(second))
            times.append(second)
    assert times[:5] == [0, 1, 2, 100, 101]
    assert all(later - earlier >= 100 for earlier, later in zip(times, times[3:], strict=False))
    assert Restarts((0.0, 40.0, 50.0)).wait(60.0, care) == 40.0
    assert Restarts((0.0, 40.0, 50.0)).wait(60.0, Care(restart_limit=4)) == 0.0
    assert Restarts().wait(0.0, Care(restart_limit=0)) == float("inf")


def test_an_engine_is_mute_after_three_timeouts_and_not_before_a_hang_would_count():
    assert Care(query_timeout=10.0, health_timeout=10.0).mute_after == 30.0
    assert Care(query_timeout=0.5, health_timeout=10.0).mute_after == 10.0


def test_pictures_that_fit_only_when_smaller_are_sent_smaller_after_three():
    record, verdicts = follow(Record(), "fitted", "fitted")
    assert not record.smaller
    assert follow(record, "usable", "fitted")[0].shortages == 1
    record, verdicts = follow(record, "fitted")
    assert record.smaller
    assert not any(verdicts)
    assert follow(record, "usable")[0].smaller


def test_last_words_about_memory_make_pictures_smaller():
    assert after_death(Record(), "torch.OutOfMemoryError: CUDA out of memory").smaller
    assert not after_death(Record(broken=2), "python ended by signal 9").smaller


@pytest.mark.parametrize(
    ("grounding", "amodal", "event"),
    [
        (Grounding("found"), False, "usable"),
        (Grounding("absent", "low_score"), False, "usable"),
        *(
            (Grounding("error", reason), False, "unreadable")
            for reason in ("malformed", "truncated", "no_box", "degenerate", "no_overlap", "fractions", "ambiguous")
        ),
        (Grounding("error", "timeout"), False, "late"),
        (Grounding("error", "timeout"), True, None),
        *(
            (Grounding("error", reason), False, "broken")
            for reason in (
                "engine_http_500",
                "engine_http_503",
                "engine_cut_stream",
                "engine_empty",
                "engine_garbage",
                "engine_failed",
            )
        ),
        (Grounding("error", "engine_http_500", "CUDA out of memory"), False, "no_memory"),
        *(
            (Grounding("error", reason), False, None)
            for reason in (
                "cancelled",
                "engine_http_404",
                "engine_http_429",
                "engine_unreachable",
                "engine_timeout",
                "engine_closed",
                "engine_wrong_model",
            )
        ),
        (Grounding("found", warnings=("amodal_failed: engine_http_500: x",)), True, "broken"),
        (Grounding("found", warnings=("amodal_failed: engine_http_400: x",)), True, None),
        (Grounding("found", warnings=("amodal_failed: engine_http_500: x",)), False, "usable"),
    ],
)
def test_words_network_and_process_are_kept_apart(grounding, amodal, event):
    assert event_of(grounding, amodal, repeated=False) == event


@pytest.mark.parametrize(
    "text",
    [
        "engine_failed: OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        "std::bad_alloc",
        "MemoryError",
        "CUDA_ERROR_OUT_OF_MEMORY",
        "OSError: [Errno 12] Cannot allocate memory",
        "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory",
        "OOM while encoding the image",
    ],
)
def test_the_words_for_no_memory_are_known(text):
    assert out_of_memory(text)


@pytest.mark.parametrize("text", ["", "scripted failure", "the room is large", "memory", "boom"])
def test_other_words_are_not(text):
    assert not out_of_memory(text)

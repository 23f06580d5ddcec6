"""When an engine is replaced, and when a new process would not help."""

from __future__ import annotations

import pytest

from egm_ros.engine_policy import LONGEST_PAUSE, Care, Record, after, after_death, out_of_memory, pause_before

CARE = Care(failure_limit=3, restart_limit=2)


def follow(record: Record, *events: str, care: Care = CARE) -> tuple[Record, list[bool]]:
    verdicts = []
    for event in events:
        record, replaced = after(record, event, care)
        verdicts.append(replaced)
    return record, verdicts


def test_pauses_double_up_to_half_a_minute_and_begin_again_after_a_healthy_spell():
    pauses = [pause_before(0.0, 0.0, 1.0)]
    for _ in range(7):
        pauses.append(pause_before(pauses[-1], 0.1, 1.0))
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert pause_before(30.0, LONGEST_PAUSE, 1.0) == 1.0
    assert pause_before(45.0, 0.0, 45.0) == 45.0


def test_failures_in_a_row_replace_the_engine():
    record, verdicts = follow(Record(), "unusable", "unusable", "unusable")
    assert verdicts == [False, False, True]
    assert record == Record(replaced=1)


def test_a_usable_answer_between_failures_starts_the_count_again():
    record, verdicts = follow(Record(), "unusable", "unusable", "usable", "unusable", "unusable")
    assert not any(verdicts)
    assert record == Record(failures=2)


def test_a_limit_of_zero_never_replaces_for_answers():
    record, verdicts = follow(Record(), *["unusable"] * 50, care=Care(failure_limit=0))
    assert not any(verdicts)
    assert record == Record(failures=50)


def test_replacements_that_bring_nothing_end_and_leave_the_engine_degraded():
    record, verdicts = follow(Record(), *["unusable"] * 12)
    assert [number for number, replaced in enumerate(verdicts, 1) if replaced] == [3, 6]
    assert record.degraded
    record, verdicts = follow(record, "usable", "unusable", "unusable", "unusable")
    assert verdicts == [False, False, False, True]
    assert not record.degraded


def test_a_picture_that_never_fits_replaces_at_once_and_then_degrades_to_smaller_ones():
    record, verdicts = follow(Record(), "no_memory", "no_memory", "no_memory")
    assert verdicts == [True, True, False]
    assert (record.degraded, record.smaller) == (True, True)


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
    assert not after_death(Record(failures=2), "python ended by signal 9").smaller


@pytest.mark.parametrize("text", [
    "engine_failed: OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
    "std::bad_alloc", "MemoryError", "CUDA_ERROR_OUT_OF_MEMORY", "OSError: [Errno 12] Cannot allocate memory",
    "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory", "OOM while encoding the image",
])
def test_the_words_for_no_memory_are_known(text):
    assert out_of_memory(text)


@pytest.mark.parametrize("text", ["", "scripted failure", "the room is large", "memory", "boom"])
def test_other_words_are_not(text):
    assert not out_of_memory(text)

"""What is logged once, seldom, or where something has changed."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("rclpy", reason="no ROS 2")

from rclpy.logging import LoggingSeverity, get_logger, set_logger_level

from egm_ros.common.notices import CHANGES, CHANGES_SECONDS, QUIET, Notices, write


class Bench:
    """Notices over a list, with a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.said: list[tuple[str, str]] = []
        self.notices = Notices(self, lambda: self.now)

    def __getattr__(self, level: str) -> Any:
        return lambda text: self.said.append((level, text))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_once_is_once_for_each_kind(bench: Bench) -> None:
    for key in ("a", "b", "a"):
        bench.notices.once(key, f"text {key}")
        bench.now += 1000.0
    assert bench.said == [("warning", "text a"), ("warning", "text b")]


def test_an_empty_text_says_nothing_and_leaves_the_next_one_its_turn(bench: Bench) -> None:
    bench.notices.once("a", "")
    bench.notices.once("a", "now")
    bench.notices.seldom("b", "")
    bench.notices.seldom("b", "now")
    assert bench.said == [("warning", "now")] * 2


def test_seldom_counts_what_it_keeps_back_and_each_kind_has_its_own_time(bench: Bench) -> None:
    for _ in range(4):
        bench.notices.seldom("a", "late", "error")
        bench.now += 1.0
    bench.notices.seldom("b", "gone")
    bench.now += QUIET
    bench.notices.seldom("a", "late", "error")
    assert bench.said == [("error", "late"), ("warning", "gone"), ("error", "late (and 3 more of this kind before)")]


def test_a_change_is_told_and_what_stays_is_not(bench: Bench) -> None:
    told = [bench.notices.change("a", state, state) for state in ("found", "found", "absent", "found")]
    assert told == [True, False, True, True]
    assert [text for _, text in bench.said] == ["found", "absent", "found"]
    bench.notices.seldom("a", "found again")
    assert len(bench.said) == 3


def test_states_that_alternate_fast_do_not_flood_the_terminal(bench: Bench) -> None:
    for turn in range(100):
        bench.notices.change("a", turn % 2, f"state {turn % 2}")
        bench.now += 0.05
    assert len(bench.said) == CHANGES
    assert "changes often" in bench.said[-1][1]
    bench.now += CHANGES_SECONDS
    bench.notices.change("a", "calm", "calm")
    assert bench.said[-1] == ("info", "calm")


def test_rclpy_takes_every_level_and_every_text(capfd: pytest.CaptureFixture[str]) -> None:
    logger = get_logger("notices_test")
    set_logger_level("notices_test", LoggingSeverity.DEBUG)
    for level in ("debug", "info", "warning", "error", "fatal", "debug"):
        write(logger, level, f"{level} \ud800 100 % {{}} %s")
    said = "".join(capfd.readouterr())
    levels = [line.split("]")[0].strip("[ ") for line in said.splitlines() if "notices_test" in line]
    assert sorted(levels) == ["DEBUG", "DEBUG", "ERROR", "FATAL", "INFO", "WARN"]
    assert "100 % {} %s" in said


def test_a_text_of_others_neither_moves_the_cursor_nor_floods_the_log(bench: Bench) -> None:
    bench.notices.once("a", "found: \x1b[2J\x1b[31mmug\x07\u202eder\x9b\u2028box\nthe מגבת ärmel")
    bench.notices.once("b", "x" * 1_000_000)
    (_, first), (_, second) = bench.said
    assert first == "found: \\x1b[2J\\x1b[31mmug\\x07\\u202eder\\x9b\\u2028box\nthe מגבת ärmel"
    assert "(996000 characters left out)" in second and len(second) < 4100

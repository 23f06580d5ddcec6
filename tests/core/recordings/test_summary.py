"""What is said at the end of a recording that was grounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from egm_core.recordings.summary import doubts

QUIET: Mapping[str, Any] = {
    name: {} for name in ("unreadable", "unreadable_named", "not_newer", "time_went_back", "failures", "warnings")
} | {"without_clock": []}


def test_a_question_without_an_answer_says_why_and_what_helps() -> None:
    report = {**QUIET, "failures": Counter({"truncated": 3, "engine_died": 1})}
    cut, died = doubts(report)
    assert cut.startswith("3 questions got no answer: truncated (") and "raise max_tokens" in cut
    assert died == "1 questions got no answer: engine_died; boxes of earlier answers went on there"

"""Every warning of an answer has a sentence that says what to do, its own or one that is added for readers."""

from __future__ import annotations

import pytest

from egm_core.grounder.explained import explained
from egm_core.grounder.reading import LABEL
from egm_core.grounder.score_bound import RAW_BOUND
from egm_core.models.domain import UNKNOWN, UNLIKE


@pytest.mark.parametrize("warning", [f"{UNKNOWN}: giraffe, zebra", UNLIKE, RAW_BOUND, f"{LABEL}: bowl"])
def test_a_word_for_programs_gets_a_sentence_for_readers(warning: str) -> None:
    told = explained(warning)
    assert told.startswith(f"{warning} (") and len(told.removeprefix(warning).split()) > 10
    assert any(remedy in told for remedy in ("another model", "egm evaluate calibrate", "look at it"))


def test_a_warning_with_a_sentence_stays_as_it_is() -> None:
    own = "amodal_forced: EGM-8B was not trained for amodal boxes"
    assert explained(own) == own

"""What becomes of a result at the moment of publishing."""

from dataclasses import replace

import pytest
from groundings import ABSENT, FOUND

from egm_core.targets.board import Target
from egm_ros.grounding.asking.frames import Frame
from egm_ros.grounding.asking.outcomes import Result, judge, remedied
from egm_ros.interface.settings import GROUNDING, Settings

SETTINGS = Settings.of({spec.name: spec.default for spec in GROUNDING})
MALFORMED = replace(ABSENT, outcome="error", reason="malformed", detail="the model's answer is no box")


def result(grounding=FOUND, **changes) -> Result:
    made = Result(Target(7, 3, "the mug"), Frame(None, 0.0), 0.0, 1.0, grounding=grounding)
    return replace(made, **changes)


def verdict(made, void="", elapsed=0.5, age=0.6, **settings):
    return judge(made, void, elapsed, age, replace(SETTINGS, **settings))


def outcome(*arguments, **options) -> tuple[str, str]:
    judged = verdict(*arguments, **options)
    return judged.outcome, judged.reason


def test_found_and_absent_are_what_the_model_said():
    assert outcome(result()) == ("found", "")
    assert outcome(result(ABSENT)) == ("absent", "")
    assert "the mug" in verdict(result()).message


def test_an_answer_that_was_taken_back_says_why():
    taken = replace(ABSENT, reason="out_of_domain", detail="the question is foreign to the model (unknown_words: mug)")
    assert outcome(result(taken)) == ("absent", "out_of_domain")
    assert verdict(result(taken)).message == taken.detail


def test_the_core_s_reason_for_an_error_is_kept():
    assert outcome(result(MALFORMED)) == ("error", "malformed")
    assert verdict(result(MALFORMED)).message == MALFORMED.detail


def test_a_failure_before_the_answer_is_an_error():
    judged = verdict(result(None, reason="bad_image", detail="truncated: 12 bytes"))
    assert (judged.outcome, judged.reason, judged.message) == ("error", "bad_image", "truncated: 12 bytes")


@pytest.mark.parametrize("void", ["instruction_changed", "disabled", "deactivated", "reset"])
@pytest.mark.parametrize("grounding", [FOUND, ABSENT, MALFORMED])
def test_whatever_comes_for_an_old_order_is_stale(grounding, void):
    assert outcome(result(grounding), void=void) == ("stale", void)


def test_an_answer_after_the_deadline_is_published_and_counted_as_missed():
    judged = verdict(result(deadline=0.4))
    assert (judged.outcome, judged.missed, judged.doubtful) == ("found", True, True)
    assert judged.grounding.visible and judged.grounding.missed
    assert "0.1 s after its deadline, its image is 0.6 s old" in judged.message
    for made in (result(deadline=0.6), result()):
        judged = verdict(made)
        assert (judged.missed, judged.doubtful, judged.grounding.missed) == (False, False, False)
    assert verdict(result(MALFORMED, deadline=0.4)).missed
    assert verdict(result(deadline=0.4), elapsed=10.1).missed, "none came at all"
    assert not verdict(result(deadline=0.4), void="reset").missed, "nobody waits for it"


def test_an_answer_after_the_timeout_is_stale():
    assert outcome(result(), elapsed=10.1) == ("stale", "query_timeout")
    assert outcome(result(), elapsed=9.9) == ("found", "")
    assert outcome(result(replace(MALFORMED, reason="timeout")), elapsed=9.9) == ("stale", "query_timeout")


def test_an_answer_for_an_old_image_is_stale():
    assert outcome(result(), age=10.1) == ("stale", "max_result_age")
    assert outcome(result(ABSENT), age=10.1) == ("stale", "max_result_age")
    assert outcome(result(None, reason="max_result_age"), age=10.1) == ("stale", "max_result_age")
    assert outcome(result(), age=1e9, max_result_age=0.0) == ("found", "")
    assert "use_sim_time" in verdict(result(), age=1e7).message


def test_an_image_from_the_future_is_not_old():
    assert outcome(result(), age=-5.0) == ("found", "")


def test_low_scores_are_held_back_unless_the_engine_gives_none():
    assert outcome(result(), min_score=0.95) == ("absent", "low_score")
    assert outcome(result(), min_score=0.9) == ("found", "")
    assert verdict(result(), min_score=0.95).grounding.visible is None
    unavailable = replace(FOUND, score=0.0, score_available=False)
    assert outcome(result(unavailable), min_score=0.95) == ("found", "")
    assert outcome(result(ABSENT), min_score=0.95) == ("absent", "")


@pytest.mark.parametrize(("calibrated", "doubtful"), [((), True), (("visible",), False), (("amodal",), True)])
def test_a_bound_on_raw_scores_is_doubtful_and_says_so(calibrated, doubtful):
    weak = result(replace(FOUND, calibrated=calibrated))
    judged = verdict(weak, min_score=0.95)
    assert (judged.outcome, judged.kind, judged.doubtful) == ("absent", "low_score", doubtful)
    assert ("raw scores" in judged.message) is doubtful
    assert "0.9 is below min_score 0.95" in judged.message
    absent = verdict(result(ABSENT), min_score=0.95)
    assert (absent.kind, absent.doubtful) == ("absent", False)


@pytest.mark.parametrize("options", [{"void": "disabled"}, {"elapsed": 10.1}, {"age": 10.1}])
def test_no_box_of_an_answer_that_came_too_late_may_be_published(options):
    judged = verdict(result(replace(FOUND, amodal=FOUND.visible)), **options)
    assert (judged.outcome, judged.grounding.visible, judged.grounding.amodal) == ("stale", None, None)


def test_an_engine_that_was_lost_says_when_it_is_back():
    told = verdict(result(None, reason="engine_died", detail="the engine was lost during the query"))
    assert remedied(told).startswith("the engine was lost during the query; ")
    assert "engine_ready" in remedied(told)

"""Kinds of meaning by which a trace tells that its writer was shown the object, each in many words."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from time import process_time

import pytest

from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.judge import LONGEST, judge

FACTS = Facts("the kettle by the sink", "kettle", "cyan", "visible", (), (), ("the white plate", "the sink"))
END = "It is near the white plate."


def rules(trace: str, facts: Facts = FACTS) -> set[str]:
    return {finding.rule for finding in judge(trace, facts)}


@pytest.mark.parametrize("who", ["Somebody", "Whoever", "The artist", "An editor", "The person who made this"])
@pytest.mark.parametrize("did", ["has encircled", "kindly tagged", "put strokes around", "had picked"])
def test_somebody_who_did_it(who: str, did: str) -> None:
    assert "drawing" in rules(f"{who} {did} the kettle here. {END}")


@pytest.mark.parametrize("done", ["earmarked", "pointed out", "set apart", "hatched", "fenced off", "underscored"])
@pytest.mark.parametrize("when", ["has already been", "had helpfully been", "has been"])
def test_what_was_done_to_the_object(done: str, when: str) -> None:
    assert "drawing" in rules(f"The kettle {when} {done}. {END}")


@pytest.mark.parametrize(
    ("answer", "given"),
    list(
        product(["correct spot", "true outline", "exact position", "full extent"], ["known", "supplied", "disclosed"])
    ),
)
def test_an_answer_that_was_known(answer: str, given: str) -> None:
    assert "drawing" in rules(f"The {answer} of the kettle is {given}. {END}")


@pytest.mark.parametrize(
    "said",
    [
        "As depicted in the copy, the kettle is the one.",
        "As marked, the kettle is beside it.",
        "We were told where the kettle is, so it is easy.",
        "I must not refer to what gave the kettle away.",
        "The kettle was chosen in advance, so there is no doubt.",
        "The attached sketch leads to the kettle at once.",
        "I already have the position, and it is the kettle.",
        "By the details supplied about its place, it is the kettle.",
        "As if there were no marks, one finds the kettle.",
        "The cyan thing that goes around the kettle settles it.",
        "Under a translucent patch one sees the kettle.",
    ],
)
def test_what_was_told_before(said: str) -> None:
    assert "drawing" in rules(f"{said} {END}")


@pytest.mark.parametrize("mark", ["strip", "hoop", "band", "field", "glow"])
def test_any_mark_in_the_colour_of_the_frame(mark: str) -> None:
    assert "drawing" in rules(f"The kettle stands just inside the cyan {mark}. {END}")
    assert not rules(f"The kettle has a dark {mark} near its lid. {END}")


@pytest.mark.parametrize(
    "said",
    [
        "The kettle has been identified by its lid.",
        "The kettle is marked by its long spout.",
        "Somebody put the white plate next to the kettle.",
        "We are told to find the kettle, and only one is here.",
        "The kettle shows two long edges that run down to its base.",
        "As stated in the phrase, the kettle is close to the sink.",
        "The outline of the kettle stands out against the wall.",
        "The rest of the kettle can be filled in with confidence.",
    ],
)
def test_words_that_have_another_meaning_are_kept(said: str) -> None:
    assert not rules(f"{said} {END}")


def test_a_window_may_be_highlighted_by_a_lamp() -> None:
    shop = Facts("the shop window with hats", "window", "cyan")
    assert not rules("Hats fill the highlighted shop window, and a lamp hangs over it.", shop)
    assert "drawing" in rules(f"The highlighted kettle is what we look for. {END}")


@pytest.mark.parametrize(
    "said",
    [
        "the phrase is about the white plate, which is whole.",
        "for the white plate the missing part follows by symmetry.",
        "attention comes to rest on the white plate, seen plainly.",
        "the white plate has clear edges, and nothing is like it.",
        "I look for the white plate, apart from the things around it.",
    ],
)
def test_a_trace_that_never_names_its_object_speaks_of_another(said: str) -> None:
    assert "wrong_object" in rules(f"After a look at the scene, {said}")


def test_other_expressions_that_begin_with_the_same_noun_take_nothing_away() -> None:
    others = ("the kettle near the door", "the red kettle", "the plate right of the red kettle", "the white plate")
    told = Facts("the blue kettle", "kettle", "cyan", "visible", (), (), others)
    assert not rules("The words lead to the blue kettle, whose company includes the white plate.", told)
    assert not rules("There is one kettle in blue, and the white plate is beside it.", told)
    assert "wrong_object" in rules("There is good contrast between the red kettle and what lies behind.", told)


@pytest.mark.parametrize(
    "said",
    [
        "three quarters of the kettle can be seen",
        "the kettle covers two sixths of it all",
        "the kettle is in sector IV of the scene",
        "the kettle fills the right-hand quarter of the picture",
        "the kettle has a height-to-width ratio above the usual",
        "a four-by-four grid puts the kettle in its middle",
        "the kettle ends at seven on a scale from zero to ten",
        "no pixels of the kettle are hidden",
    ],
)
def test_shares_and_scales_in_words(said: str) -> None:
    assert "numbers" in rules(f"I would say that {said}. {END}")


HIDDEN = Facts(
    "the kettle", "kettle", "cyan", "amodal", ("the white plate",), ("left",), ("the white plate", "the tall jug")
)


@pytest.mark.parametrize("cloth", ["A heavy sheet falls over", "Somebody's arm reaches across", "Some foliage covers"])
def test_what_hides_it_may_be_no_stranger(cloth: str) -> None:
    assert "wrong_occluder" in rules(f"{cloth} the kettle, and it goes on to the left behind it.", HIDDEN)
    assert not rules(f"{cloth} the wall, and the white plate hides the kettle on the left.", HIDDEN)


def test_a_bare_name_that_is_its_occluder_s_too_is_no_stranger() -> None:
    two_balls = replace(HIDDEN, occluders=("the big ball",), others=("the big ball", "the ball on the left", "the jug"))
    said = "The purple ball stands in front of the kettle, which goes on to the left behind it."
    assert not rules(said, two_balls)
    assert "wrong_occluder" in rules(said.replace("purple ball", "jug"), two_balls)


@pytest.mark.parametrize("said", ["is complete", "ends in its own edge", "is exposed, for nothing covers it"])
def test_a_side_that_is_hidden_is_not_called_whole(said: str) -> None:
    assert "wrong_side" in rules(f"The white plate is before the kettle. The left of the kettle {said}.", HIDDEN)
    assert not rules(f"The white plate hides the left of the kettle. The right of the kettle {said}.", HIDDEN)


@pytest.mark.parametrize(
    "said",
    [
        "That leaves the tall jug, which suits the words.",
        "Of the two, the tall jug is the one to choose.",
        "The words lean more toward the tall jug, all in all.",
        "I move on to the tall jug and settle there.",
    ],
)
def test_a_trace_that_drops_its_object_for_another(said: str) -> None:
    plate = Facts(
        "the kettle by the tall jug", "kettle", "cyan", "visible", (), (), ("the white plate", "the tall jug")
    )
    assert "wrong_object" in rules(f"At first one looks at the kettle. {said}", plate)


@pytest.mark.parametrize("said", ["about a third of it", "half of the lid", "twice as much", "a small share"])
def test_rough_amounts_are_kept(said: str) -> None:
    assert not rules(f"I would say that the kettle hides {said} from us. {END}")


@pytest.mark.parametrize(
    "said",
    [
        "I cannot reason about the kettle.",
        "So I leave this one unanswered.",
        "I am not able to engage with the kettle.",
    ],
)
def test_refusals_without_an_excuse(said: str) -> None:
    assert "refusal" in rules(f"There is a kettle. {said}")


def test_long_answers_are_refused_at_once_and_others_take_little_time() -> None:
    began = process_time()
    assert rules("The kettle was drawn in the image as the frame of the box. " * 20_000) == {"length"}
    assert rules("a" * (LONGEST + 1)) == {"length"} and process_time() - began < 0.5
    for hostile in ("the " * 1000, "is very " * 500, "%own% " * 600, "a-" * 2000, "was drawn, " * 360, "[" * 4000):
        began = process_time()
        judge(hostile[:LONGEST], FACTS)
        assert process_time() - began < 4, hostile[:20]

"""Several objects: how many are asked for, pairs of boxes, copies, limits, and the count of all that is dropped."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from told_answers import BOTH, ground, misbehaving

from egm_core.engines import Completion
from egm_core.families import family
from egm_core.grounder.decision import Reply
from egm_core.grounder.explained import explained
from egm_core.grounder.grounding import Grounding
from egm_core.grounder.several.deciding import decide_several
from egm_core.grounder.several.pairing import paired, unique
from egm_core.grounder.several.reading import read_several
from egm_core.grounder.several.wanted import AS_WORDED, EVERY, ONE, question, several_by
from egm_core.models.folder import EMBEDDED, ModelInfo, resolve

# Thousandths; the picture is 200 x 100.
LEFT, RIGHT = (100, 200, 300, 400), (500, 200, 700, 400)
LEFT_WHOLE, RIGHT_WHOLE = (100, 200, 300, 600), (500, 200, 800, 400)
VISIBLE_ONLY: dict[str, Any] = {"tasks": ("visible",)}


def lists(*answers: list[tuple[int, ...]], name: str = "qwen3_vl") -> str:
    """Write the raw answers (visible, amodal) that list boxes, as the server's behaviour."""
    if name.startswith("qwen"):
        said = [json.dumps([{"bbox_2d": box, "label": "mug"} for box in boxes]) for boxes in answers]
        return "says:" + "||".join(f"Thought.\n</think>\n\n```json\n{text}\n```" for text in said)
    return "says:" + "||".join(f"<ref>mug</ref><box>{json.dumps(boxes)}</box>" for boxes in answers)


@pytest.mark.parametrize("name", ["qwen3_vl", "internvl3"])
def test_every_object_has_its_own_amodal_box_whatever_the_order(
    server: misbehaving.Server, picture: NDArray[np.uint8], name: str
) -> None:
    server.bodies.clear()
    said = lists([LEFT, RIGHT], [RIGHT_WHOLE, LEFT_WHOLE], name=name)
    info = ModelInfo("told", name, tasks=("visible", "amodal"))
    found = ground(server, said, picture, info=info, max_objects=EVERY)
    assert [each.visible for each in found.objects] == [(20, 20, 60, 40), (100, 20, 140, 40)]
    assert [each.amodal for each in found.objects] == [(20, 20, 60, 60), (100, 20, 160, 40)]
    assert (found.outcome, found.repairs, found.warnings, found.boxes_seen) == ("found", (), (), 2)
    assert found.score_available and found.calibrated == () and all(0 < each.score < 1 for each in found.objects)
    asked = {body["messages"][0]["content"][1]["text"] for body in server.bodies}
    assert asked == {family(name).prompt_for_several("the mug", task) for task in ("visible", "amodal")}


def test_one_object_is_asked_for_and_read_as_before_and_what_is_not_taken_is_said(
    server: misbehaving.Server, picture: NDArray[np.uint8]
) -> None:
    server.bodies.clear()
    found = ground(server, lists([LEFT, RIGHT], [LEFT_WHOLE]), picture)
    assert (found.visible, found.further, found.boxes_seen) == ((20, 20, 60, 40), (), 2)
    assert found.warnings == ("first_of_several: 2 boxes",)
    assert "max_objects" in explained(found.warnings[0])
    (body, _) = server.bodies
    assert "every object" not in body["messages"][0]["content"][1]["text"]


def test_copies_are_removed_and_counted(server: misbehaving.Server, picture: NDArray[np.uint8]) -> None:
    near = (101, 201, 301, 401)
    found = ground(server, lists([LEFT, near, RIGHT, LEFT], [LEFT_WHOLE, LEFT_WHOLE, RIGHT_WHOLE]), picture,
                   max_objects=EVERY)  # fmt: skip
    assert [each.visible[0] for each in found.objects] == [20, 100]
    assert all(each.amodal for each in found.objects)
    assert found.repairs == ("duplicates: 2", "amodal_duplicates: 1")


def test_a_pair_that_contradicts_itself_is_repaired_or_dropped_and_counted(
    server: misbehaving.Server, picture: NDArray[np.uint8]
) -> None:
    short, elsewhere = (100, 200, 290, 600), (650, 200, 900, 400)
    found = ground(server, lists([LEFT, RIGHT], [short, elsewhere]), picture, max_objects=EVERY)
    assert [each.amodal for each in found.objects] == [(20, 20, 60, 60), None]
    assert found.repairs == ("amodal_union: 1 of 1 pairs", "amodal_disagrees: 1 of 2 fit no object")
    assert found.warnings == ("amodal_missing: 1 of 2 objects have no amodal box",)


@pytest.mark.parametrize(("most", "kept", "over"), [(2, 2, 1), (3, 3, 0), (EVERY, 3, 0)])
def test_the_limit_holds_and_what_is_over_it_is_said(
    server: misbehaving.Server, picture: NDArray[np.uint8], most: int, kept: int, over: int
) -> None:
    said = lists([LEFT, RIGHT, (800, 800, 900, 900)])
    found = ground(server, said, picture, max_objects=most, **VISIBLE_ONLY)
    assert (len(found.objects), found.left_out) == (kept, over)
    assert found.warnings == ((f"max_objects: {over} of 3 objects left out",) if over else ())


def test_a_list_without_end_is_read_to_a_bound(server: misbehaving.Server, picture: NDArray[np.uint8]) -> None:
    many = [(4 * n, 10, 4 * n + 3, 900) for n in range(240)]
    found = ground(server, lists(many), picture, max_objects=EVERY, **VISIBLE_ONLY)
    assert len(found.objects) == 200
    assert found.warnings == ("long_list: 40 of 240 boxes left out, no list is read further",)


def test_boxes_that_cannot_be_read_are_counted_and_the_others_stay(
    server: misbehaving.Server, picture: NDArray[np.uint8]
) -> None:
    said = lists([(1, 2, 3, 4000), LEFT, (5, 5, 5, 9)])
    found = ground(server, said, picture, max_objects=EVERY, **VISIBLE_ONLY)
    assert [each.visible for each in found.objects] == [(20, 20, 60, 40)]
    assert found.warnings == ("boxes_refused: 2 of 3: out_of_range, degenerate",)
    alone = ground(server, lists([(1, 2, 3, 4000)]), picture, max_objects=EVERY, **VISIBLE_ONLY)
    assert (alone.outcome, alone.reason) == ("error", "out_of_range")


def test_none_is_absent_and_a_failed_amodal_answer_leaves_the_visible_ones(
    server: misbehaving.Server, picture: NDArray[np.uint8]
) -> None:
    none = ground(server, lists([], []), picture, max_objects=EVERY)
    assert (none.outcome, none.objects) == ("absent", ())
    found = ground(server, lists([LEFT, RIGHT]) + "||Thought.\n</think>\n\nno idea", picture, max_objects=EVERY)
    assert [each.amodal for each in found.objects] == [None, None]
    assert [told.partition(":")[0] for told in found.warnings] == ["amodal_failed"]


def test_weak_objects_go_before_the_limit_is_held(server: misbehaving.Server, picture: NDArray[np.uint8]) -> None:
    found = ground(server, lists([LEFT, RIGHT]), picture, max_objects=1 + ONE, min_score=0.99, **VISIBLE_ONLY)
    assert (found.outcome, found.reason, found.objects) == ("absent", "low_score", ())


def test_a_list_that_the_limit_of_tokens_cut_keeps_its_whole_objects_and_says_so() -> None:
    speaker = family("qwen3_vl")
    text = lists([LEFT, RIGHT]).removeprefix("says:")[:-20]
    answer = read_several(speaker, Completion(text, (), "length"), "open")
    assert (answer.kind, [each.box for each in answer.listed], answer.salvaged) == ("box", [LEFT], ("cut",))
    assert read_several(speaker, Completion(text, (), "stop"), "open").kind == "invalid"
    unclosed = text.replace("</think>", "")
    assert read_several(speaker, Completion(unclosed, (), "length"), "open").reason == "truncated"


def test_a_model_that_names_one_object_is_not_said_to_need_more_tokens(tmp_path: Path) -> None:
    """Its list would have no end; what helps is to ask for one, or another model."""
    shutil.copy(resolve(EMBEDDED) / "domain.json", tmp_path)
    narrow = ModelInfo("narrow", "qwen3_vl", path=tmp_path, domain="domain.json")
    list_of_both = lists([LEFT, RIGHT]).removeprefix("says:")[:-20]

    def decided(info: ModelInfo, seen: str, whole: str) -> Grounding:
        replies = [Completion(text, (), "length") for text in (seen, whole)]
        read_ones = [Reply(each, read_several(info.speaker, each, "open")) for each in replies]
        return decide_several(*read_ones, {"visible": info, "amodal": info}, (200, 100))

    for info, remedy, wrong in ((narrow, "set max_objects to 1", "max_tokens"), (BOTH, "max_tokens", "max_objects")):
        none = decided(info, "I see", "I see")
        assert none.reason == "truncated" and remedy in none.detail and wrong not in none.detail
        cut = decided(info, list_of_both, "I see")
        assert [told.split(":")[0] for told in cut.warnings] == ["list_cut", "amodal_failed"]
        assert all(remedy in told and wrong not in told for told in cut.warnings)


@pytest.mark.parametrize(
    ("words", "several"),
    [
        ("every cup", "every"), ("Each of the cups", "Each"), ("all the red cups", "all"), ("two cups", "two"),
        ("the two cups on the left", "the two"), ("both mugs", "both"), ("these bottles", "these"),
        ("the red cups on the table", "cups"), ("people near the car", "people"), ("3 bolts", "3"),
        ("the red cup", ""), ("the glass", ""), ("a bus", ""), ("the scissors", ""), ("the cup behind two boxes", ""),
        ("the man in glasses", ""), ("the left one", ""), ("allen key", ""), ("the cup between the books", ""),
        ("", ""), ("杯子", ""),
    ],
)  # fmt: skip
def test_the_words_say_how_many_are_asked_for(words: str, several: str) -> None:
    assert several_by(words) == several


def test_who_says_how_many_is_obeyed_and_what_is_guessed_is_told() -> None:
    assert question("every red cup", AS_WORDED)[0].most == EVERY
    assert (question("every red cup", AS_WORDED)[0].sent, question("every red cup", ONE)[0].sent) == (
        "red cup",
        "every red cup",
    )
    assert question("every red cup", AS_WORDED)[1] == ()
    assert question("the cups", AS_WORDED)[1] == ("taken_as_several: cups",)
    assert question("the cup", AS_WORDED)[0].most == ONE
    one, told = question("the cups", ONE)
    assert (one.most, told) == (ONE, ("several_wanted: cups",))
    assert question("the cup", 4)[0].several and question("the cup", EVERY)[0].several
    assert question("every cup", EVERY, one_only=True)[1] == ("several_untrained",)
    assert question("the cup", ONE, one_only=True)[1] == ()
    assert "Qwen3-VL" in explained("several_untrained")
    assert all("max_objects" in explained(each) for each in ("taken_as_several: cups", "several_wanted: every"))


def test_pairs_prefer_the_tighter_amodal_box_and_need_half_of_the_visible_one() -> None:
    small, large = (10.0, 10.0, 20.0, 20.0), (0.0, 0.0, 40.0, 40.0)
    seen = [(0.0, 0.0, 30.0, 30.0), (11.0, 11.0, 19.0, 19.0)]
    assert paired(seen, [small, large]).of == (1, 0)
    assert paired(seen[:1], [(25.0, 0.0, 90.0, 30.0)]).of == (None,)
    assert paired(seen[:1], [(25.0, 0.0, 90.0, 30.0)]).unpaired == (0,)
    assert paired([], [small]).unpaired == (0,) and paired([small], []).of == (None,)
    assert unique([small, (10.0, 10.0, 20.0, 21.0), large]) == [0, 2]


def test_a_deadline_thinks_about_one_object_only_and_says_so(
    server: misbehaving.Server, picture: NDArray[np.uint8]
) -> None:
    plain = lists([LEFT, RIGHT]).replace("Thought.\n</think>\n\n", "")
    found = ground(server, plain, picture, max_objects=EVERY, deadline=4.0, info=ModelInfo("told", "internvl3"))
    assert any(told.startswith("several_without_thinking") for told in found.warnings)


def test_the_answer_says_what_it_held_back_in_json(server: misbehaving.Server, picture: NDArray[np.uint8]) -> None:
    found = ground(server, lists([LEFT, RIGHT], [LEFT_WHOLE]), picture, max_objects=2, info=BOTH)
    said = json.loads(json.dumps(found.to_json()))
    assert [each["amodal"] for each in said["objects"]] == [[20, 20, 60, 60], None]

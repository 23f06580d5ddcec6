"""What a careful reader makes of an answer: prose is no label, a key is no box, a missing lid is no missing mug."""

from __future__ import annotations

import pytest

from egm_core.engines.base import Completion
from egm_core.families import FAMILIES, family
from egm_core.grounder.reading import read

BOX = (120.0, 240.0, 360.0, 480.0)
NUMBERS = "[120, 240, 360, 480]"
THOUGHT = "It is the one by the sink.\n</think>\n\n"
BLOCK = f'```json\n[{{"bbox_2d": {NUMBERS}, "label": "kettle"}}]\n```'


def refused(name: str, text: str, sent: str = "") -> None:
    """Check that neither reading publishes anything."""
    for mode in ("strict", "salvage"):
        answer = family(name).parse(text, mode, sent=sent)
        assert (answer.kind, answer.box) == ("invalid", None), (mode, answer)


def salvaged(name: str, text: str, sent: str = "") -> None:
    """Check that the box is read, as a repair and not as the format."""
    assert family(name).parse(text, sent=sent).kind == "invalid"
    answer = family(name).parse(text, "salvage", sent=sent)
    assert (answer.kind, answer.box) == ("box", BOX), answer
    assert answer.salvaged


class TestStrictTakesWhatTheGrammarPromises:
    @pytest.mark.parametrize(
        "prose",
        [
            "Box (top, left, bottom, right): ",
            "xywh format: ",
            "Box in (x, y, w, h):",
            "Coordinates as y1, x1, y2, x2: ",
            "Corners as x1, x2, y1, y2: ",
            "In percent: ",
            "In pixels: ",
            "Not the red kettle: ",
            "Not the red kettle",
            "no red kettle ",
            "The kettle is not visible\n",
            "Sure.\nNo kettle, see ",
            "Previously ",
            "Possibly ",
            "I'm not sure, maybe ",
            "For instance, ",
            "Example output: ",
            "I am not able to see the image, but a typical box is ",
            "The closest match is the blue kettle: ",
            "This is just a guess: ",
            "Das ist nicht der rote Kessel: ",
            "No hay ninguna tetera: ",
            "这不是红色水壶：",
            "赤いやかんは画像にありません。",
        ],
    )
    def test_prose_before_a_box_is_no_label(self, prose: str) -> None:
        refused("internvl3", prose + NUMBERS)

    @pytest.mark.parametrize(
        "prose", ["The kettle: ", "The answer is ", "La tetera está en ", "水壶的坐标是 ", "Here:\n"]
    )
    def test_prose_that_speaks_for_the_box_is_a_repair(self, prose: str) -> None:
        salvaged("internvl3", prose + NUMBERS)

    @pytest.mark.parametrize("label", ["kettle", "the kettle [2] on the stove", "Wasserkessel", "水壶"])
    def test_a_label_whose_tags_were_dropped_touches_its_box(self, label: str) -> None:
        assert family("internvl3").parse(f"{label}[{NUMBERS}]").box == BOX

    def test_an_expression_that_sounds_like_a_denial_is_a_label_where_it_was_asked(self) -> None:
        answer = family("internvl3").parse(f"no parking sign[{NUMBERS}]", sent="no parking sign")
        assert (answer.box, answer.label) == (BOX, "no parking sign")

    @pytest.mark.parametrize(
        "line", ["Not the red kettle:", "The box in xywh:", "There is no kettle here.", "In pixels:"]
    )
    def test_a_line_that_introduces_a_block_may_refute_it(self, line: str) -> None:
        refused("qwen3_vl", f"{line}\n{BLOCK}")

    @pytest.mark.parametrize(
        "field",
        [
            '"found": false',
            '"format": "xywh"',
            '"coordinate_system": "pixels"',
            '"status": "not_found"',
            '"visible": 0',
        ],
    )
    def test_another_key_may_refute_its_object(self, field: str) -> None:
        refused("qwen3_vl", THOUGHT + f'[{{"bbox_2d": {NUMBERS}, {field}}}]')

    def test_another_key_is_a_repair(self) -> None:
        salvaged("qwen3_vl", THOUGHT + f'[{{"bbox_2d": {NUMBERS}, "label": "kettle", "confidence": 0.97}}]')


class TestKeys:
    TWO = f'{{"blue cup": [1, 2, 30, 40], "red mug": {NUMBERS}}}'

    @pytest.mark.parametrize("name", FAMILIES)
    def test_several_names_with_boxes_are_ambiguous(self, name: str) -> None:
        for text in (
            self.TWO,
            self.TWO.replace("[1, 2, 30, 40]", '{"bbox": [1, 2, 30, 40]}').replace(NUMBERS, f'{{"bbox": {NUMBERS}}}'),
            f'{{"result": {NUMBERS}, "alternatives": [[1, 2, 30, 40]]}}',
            f'{{"blue cup": [], "red mug": {NUMBERS}}}',
        ):
            refused(name, text)
            assert family(name).parse(text, "salvage").reason == "ambiguous", text

    @pytest.mark.parametrize("sent", ["red mug", "the Red Mug"])
    def test_the_one_that_was_asked_is_read(self, sent: str) -> None:
        salvaged("internvl3", self.TWO, sent)
        told = read(family("internvl3"), Completion(self.TWO, (), "stop"), sent=sent)
        assert (told.box, told.label) == (BOX, "red mug")

    def test_none_that_was_asked_is_none(self) -> None:
        refused("internvl3", self.TWO, "the green jug")

    @pytest.mark.parametrize(
        "text",
        [
            f'[{{"bbox_2d": {NUMBERS}, "label": "cup"}}, {{"bbox_2d": null, "label": "mug"}}]',
            f'[{{"bbox_2d": {NUMBERS}, "label": "cup"}}, {{"bbox_2d": [], "label": "mug"}}]',
            f'[{{"bbox_2d": {NUMBERS}, "label": "not a mug"}}]',
            f'{{"bbox_2d": {NUMBERS}, "note": "there is no red mug, this is the blue one"}}',
            f'{{"bbox_2d": {NUMBERS}, "comment": "the closest match"}}',
            f'{{"bbox_2d": {NUMBERS}, "confidence": 0}}',
            f'{{"bbox_2d": {NUMBERS}, "count": 0}}',
            f'"bbox_2d": {NUMBERS}, "found": false',
            f'"bbox_2d": {NUMBERS}, "label": "not found"',
            f"label: none\nbbox_2d: {NUMBERS}",
        ],
    )
    def test_what_an_answer_says_beside_its_box_counts_wherever_it_stands(self, text: str) -> None:
        refused("qwen3_vl", THOUGHT + text)

    def test_numbered_names_are_a_list(self) -> None:
        text = f'{{"object_1": {{"bbox_2d": {NUMBERS}}}, "object_2": {{"bbox_2d": [1, 2, 30, 40]}}}}'
        salvaged("qwen3_vl", text)
        assert family("qwen3_vl").parse(text, "salvage").boxes_seen == 2

    def test_a_name_alone_is_the_label(self) -> None:
        assert family("internvl3").parse(f'{{"kettle": {NUMBERS}}}', "salvage").label == "kettle"
        salvaged("qwen3_vl", f'{{"lid": {NUMBERS}, "confidence": 0.9}}', "the lid")

    @pytest.mark.parametrize(
        "text",
        [
            '{"velocity": [1, 2, 3, 4]}',
            '{"label": "mug", "padding": [1, 2, 3, 4]}',
            '{"label": "mug", "something": [1, 2, 3, 4]}',
            '{"material": [10, 20, 30, 40], "label": "mug"}',
            '{"polygon": [[120, 240, 360, 480]]}',
            '{"points": [[120, 240], [360, 480]]}',
            '{"excluded": [{"bbox_2d": [120, 240, 360, 480]}]}',
            f'{{"action": "click", "bbox_2d": {NUMBERS}}}',
            f'<tool_call>\n{{"name": "image_zoom_in_tool", "arguments": {{"bbox_2d": {NUMBERS}}}}}\n</tool_call>',
            f'{{"name": "crop", "arguments": {{"bbox": {NUMBERS}}}}}',
            f"<function=zoom>\n<parameter=bbox_2d>\n{NUMBERS}\n</parameter>\n</function>",
            f"{{'found': False, 'bbox_2d': {NUMBERS}}}",
            f'{{"found": "no", "bbox_2d": {NUMBERS}}}',
            f'{{"status": "not_found", "bbox_2d": {NUMBERS}}}',
            f'{{"message": "I could not find the mug.", "bbox_2d": {NUMBERS}}}',
            '{"found": true, "bbox_2d": null}',
        ],
    )
    def test_numbers_under_another_key_are_no_box(self, text: str) -> None:
        refused("qwen3_vl", THOUGHT + text)

    @pytest.mark.parametrize(
        "text",
        ['{"mug": [360, 480, 120, 240]}', '{"bbox": [360, 480, 120, 240]}', '{"x1": 9, "y1": 8, "x2": 7, "y2": 6}'],
    )
    def test_corners_in_no_order_may_be_sides(self, text: str) -> None:
        refused("qwen3_vl", text)

    def test_the_families_own_key_takes_corners_in_any_order(self) -> None:
        salvaged("qwen3_vl", '{"bbox_2d": [360, 480, 120, 240]}')
        salvaged("internvl3", "<box>(360, 480), (120, 240)</box>")

    def test_a_tool_that_takes_the_answer(self) -> None:
        call = f'{{"name": "report_location", "arguments": {{"bbox_2d": {NUMBERS}}}}}'
        salvaged("qwen3_vl", THOUGHT + f"<tool_call>\n{call}\n</tool_call>")


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(
    "numbers",
    ["[0, 0, 1, 1]", "[0.1, 0.2, 1.6, 0.9]", "[0.0, 0.5, 3.2, 4.0]", "[12.5, 22.1, 50.5, 90.25]", "[0, 0.5, 100, 100]"],
)
def test_shares_of_the_picture_are_refused_by_name(name: str, numbers: str) -> None:
    speaker = family(name)
    for text in (numbers, f'{{"bbox_2d": {numbers}}}', f"<box>{numbers}</box>"):
        assert speaker.parse(text, "salvage").reason == "fractions", text
    assert speaker.parse(numbers).reason == "fractions"


class TestLabelsThatDeny:
    DENIALS = (
        "none", "None", "not present", "not found", "NOT_FOUND", "N/A", "no such object", "red mug (not visible)",
        "mug - not found", "mug not found", "there is no mug", "未找到",
    )  # fmt: skip

    @pytest.mark.parametrize("label", DENIALS)
    def test_no_box_stands_beside_them(self, label: str) -> None:
        refused("qwen3_vl", f'[{{"bbox_2d": {NUMBERS}, "label": "{label}"}}]')
        refused("qwen3_vl", f'{{"bbox_2d": {NUMBERS}, "label": "{label}"}}')
        refused("internvl3", f"<ref>{label}</ref><box>{NUMBERS}</box>")

    @pytest.mark.parametrize("label", DENIALS)
    def test_with_a_placeholder_they_are_absence(self, label: str) -> None:
        for name, text in (
            ("qwen3_vl", f'[{{"bbox_2d": [0, 0, 0, 0], "label": "{label}"}}]'),
            ("qwen3_vl", f'{{"bbox_2d": [-1, -1, -1, -1], "label": "{label}"}}'),
            ("internvl3", f"<ref>{label}</ref><box>[0, 0, 0, 0]</box>"),
        ):
            assert family(name).parse(text, "salvage").kind == "absent", text

    @pytest.mark.parametrize("name", FAMILIES)
    @pytest.mark.parametrize(
        "sent", ["none", "the sign that says not found", "the man who is not visible", "no parking sign"]
    )
    def test_an_expression_of_such_words_is_asked_and_read(self, name: str, sent: str) -> None:
        speaker = family(name)
        assert speaker.parse(speaker.target(sent, BOX, "", "visible"), sent=sent).box == BOX

    def test_the_denial_of_what_was_asked(self) -> None:
        refused("internvl3", f"<ref>no red mug</ref><box>{NUMBERS}</box>", "the red mug")

    def test_a_placeholder_without_a_word_is_neither(self) -> None:
        refused("qwen3_vl", '[{"bbox_2d": [0, 0, 0, 0], "label": "mug"}]')


class TestAbsence:
    @pytest.mark.parametrize(
        "text",
        [
            "its handle is not visible",
            "The mug's handle is not visible in the image.",
            "The bottom of the mug is not visible.",
            "Half of the mug is not visible.",
            "No lid on the red mug in the image.",
            "There is no handle on the mug in this image.",
            "I found nothing wrong.",
            "I see no problem with the image.",
            "I could not find any issue.",
            "I could not find the exact position.",
            "Nothing in the image is out of place.",
            "None of the mug is occluded.",
            "The image does not show the whole mug.",
            "There are no obstructions.",
            "The mug is not visible because it is hidden behind the box.",
            "The red mug is not on the table; it's on the shelf.",
            "图中的杯子没有盖子。",
            "没有发现问题。",
        ],
    )
    def test_what_is_said_of_something_else(self, text: str) -> None:
        for name in FAMILIES:
            refused(name, f"<think>x</think>{text}")

    @pytest.mark.parametrize(
        "text",
        [
            "The mug isn't here",
            "The mug's not here.",
            "It isn't there.",
            "Nothing in the image matches the description.",
            "I see nothing like that in the picture.",
            "I don't see any red mug here.",
            "\\boxed{none}",
            '{"giraffe": null}',
            '{"status": "not_found", "bbox_2d": [0, 0, 0, 0]}',
            '[{"bbox_2d": [0, 0, 0, 0]}]\n\nThere is no mug in the image.',
            "图片中没有长颈鹿。",
        ],
    )
    def test_what_is_said_of_the_object(self, text: str) -> None:
        for name in FAMILIES:
            assert family(name).parse(f"<think>x</think>{text}", "salvage").kind == "absent"

    @pytest.mark.parametrize(
        ("text", "about", "not_about"),
        [
            ("There is no lid on the mug in the image.", "the lid of the mug", "the red mug"),
            ("There is no mug on the table.", "the mug on the table", "the table"),
            ("The handle is not visible.", "the handle", "the red mug"),
            ("The man's hat is not visible.", "the man's hat", "the man"),
            ("Its lid is not visible.", "its lid", "the mug"),
            ("There is no visible handle.", "the handle", "the red mug"),
            ("There is no giraffe in the image.", "the tall giraffe", "the zebra"),
            ("The image does not contain any red mugs.", "red mug", "the kettle"),
        ],
    )
    def test_what_was_asked_tells_an_object_from_a_part(self, text: str, about: str, not_about: str) -> None:
        speaker = family("qwen3_vl")
        assert speaker.parse(THOUGHT + text, "salvage", sent=about).kind == "absent"
        refused("qwen3_vl", THOUGHT + text, not_about)

    @pytest.mark.parametrize(
        "text",
        [
            "It is not there.",
            "None found.",
            "I could not find it.",
            "No such object is visible.",
            "图中没有斑马。",
            "bbox_2d: null",
        ],
    )
    def test_what_names_nothing_of_its_own_is_about_what_was_asked(self, text: str) -> None:
        for sent in ("the zebra", "斑马"):
            assert family("qwen3_vl").parse(THOUGHT + text, "salvage", sent=sent).kind == "absent"

    def test_words_of_what_was_asked_are_no_doubt(self) -> None:
        text = f'{{"bbox_2d": {NUMBERS}, "label": "Google Pixel phone"}}'
        salvaged("qwen3_vl", text, "the google pixel phone")


class TestOtherWritings:
    @pytest.mark.parametrize("name", FAMILIES)
    @pytest.mark.parametrize(
        "text",
        [
            "The box is [120, 240, 360, 480], in the format [x1, y1, x2, y2].",
            "[x_min, y_min, x_max, y_max] = [120, 240, 360, 480]",
            "The box (left, top, right, bottom) is [120, 240, 360, 480].",
            "<box>[120, 240], [360, 480]</box>",
            "x1=120, y1=240, x2=360, y2=480",
            "x1 = 120\ny1 = 240\nx2 = 360\ny2 = 480",
            "- **x1**: 120\n- **y1**: 240\n- **x2**: 360\n- **y2**: 480",
            "Left: 120, right: 360, top: 240, bottom: 480.",
            "The box is x_min=120, y_min=240, x_max=360 and y_max=480.",
            "\\boxed{[120, 240, 360, 480]}",
            "The answer is $\\boxed{120, 240, 360, 480}$.",
            "\\[\n\\boxed{(120,240),(360,480)}\n\\]",
            "from (120, 240) to (360, 480)",
            "The kettle extends from (120, 240) to (360, 480).",
            "It covers the region (120, 240) - (360, 480).",
            "范围从(120, 240)到(360, 480)",
            "[[120, 240], [360, 480]]",
            '{"kettle": [[120, 240], [360, 480]]}',
        ],
    )
    def test_are_read(self, name: str, text: str) -> None:
        salvaged(name, f"<think>x</think>{text}")

    @pytest.mark.parametrize(
        "text",
        [
            "x=120, y=240, width=360, height=480",
            "x1=120, y1=240, w=360, h=480",
            "x1=12%, y1=24%, x2=36%, y2=48%",
            "x1=360, y1=480, x2=120, y2=240",
            "x1=120, y1=240, x2=360",
            "(x1=120, y1=240, x2=360, y2=48",
            "\\boxed{[120, 240, 360, 4",
            "\\boxed{B}",
            "The arrow goes from (120, 240) to (360, 480).",
            "Drag from (120, 240) to (360, 480).",
            "The kettles are at (120, 240) and (360, 480).",
            "It spans from (360, 480) to (120, 240).",
            "The arrow in this region runs from (120, 240) to (360, 480).",
            "The centers of the box are (120, 240) and (360, 480).",
            "The middles of both boxes, their centers, are (120, 240) and (360, 480).",
            "[[360, 480], [120, 240]]",
            "[[120, 240], [360, 480], [1, 2]]",
        ],
    )
    def test_are_refused(self, text: str) -> None:
        refused("internvl3", text)

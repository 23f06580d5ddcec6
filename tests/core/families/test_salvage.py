"""Answers as models write them beside the format: what a careful reader takes, and what nobody may guess at."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egm_core.families import FAMILIES, family

BOX = (120.0, 240.0, 360.0, 480.0)
ENTRY = '{"bbox_2d": [120, 240, 360, 480], "label": "kettle"}'
OTHER = '{"bbox_2d": [5, 6, 70, 80], "label": "kettle"}'
THOUGHT = "It is the one by the sink.\n</think>\n\n"


def block(content: str, language: str = "json") -> str:
    return f"```{language}\n{content}\n```"


# Kind, family, answer, and by what it says it was salvaged (None: strict reads it).
BOXES = [
    ("object", "qwen3_vl", block(ENTRY), "format"),
    ("object", "qwen3_vl", ENTRY, "format"),
    ("object", "qwen3_vl", THOUGHT + block(ENTRY), "format"),
    ("object", "internvl3", ENTRY, "format"),
    ("object", "internvl3", f"<think>Here.</think>\n[{ENTRY}]", "format"),
    ("list", "internvl3", block(f"[{ENTRY}]"), "format"),
    ("list", "qwen3_vl", f"[{ENTRY}, {OTHER}]", None),
    ("fence", "qwen3_vl", f"json\n[{ENTRY}]", "format"),
    ("fence", "qwen3_vl", f"json\n[{ENTRY}]\n```", "format"),
    ("fence", "qwen3_vl", THOUGHT + f"```json\n[{ENTRY}]\n", "format"),
    ("fence", "qwen3_vl", block(f"[{ENTRY}]", "python"), "format"),
    ("fence", "qwen3_vl", f"`[{ENTRY}]`", "format"),
    ("prose", "qwen3_vl", "Sure! The kettle is here:\n\n" + block(f"[{ENTRY}]"), None),
    ("prose", "qwen3_vl", THOUGHT + "Here it is:\n" + block(f"[{ENTRY}]"), "prose"),
    ("prose", "qwen3_vl", block(f"[{ENTRY}]") + "\nThe kettle stands by the sink.", "prose"),
    ("prose", "qwen3_vl", THOUGHT + "The kettle is at [120, 240, 360, 480].", "prose"),
    ("prose", "qwen3_vl", "The bounding box of the kettle is [120, 240, 360, 480].", "prose"),
    ("prose", "qwen3_vl", THOUGHT + "Box: (120, 240, 360, 480)", "prose"),
    ("prose", "internvl3", "The kettle is located at [120, 240, 360, 480] in the image.", "prose"),
    ("prose", "internvl3", "Its box: **[[120, 240, 360, 480]]**.", "prose"),
    ("prose", "internvl3", "The kettle [metal] with 2 spouts is at [120, 240, 360, 480], see note [3].", "prose"),
    ("prose", "internvl3", "The answer is [120, 240, 360, 480]. So it is [120, 240, 360, 480].", "prose"),
    ("bold", "internvl3", "**kettle**: [120, 240, 360, 480]", None),
    ("bold", "internvl3", "**[120, 240, 360, 480]**", "format"),
    ("tags", "qwen3_vl", "<box>(120,240),(360,480)</box>", "tags"),
    ("tags", "qwen3_vl", "<box>[120, 240, 360, 480]</box>", "tags"),
    ("tags", "qwen3_vl", "<box>120 240 360 480</box>", "tags"),
    ("tags", "qwen3_vl", "<ref>kettle</ref><box>[[120, 240, 360, 480]]</box>", "tags"),
    (
        "tags",
        "qwen3_vl",
        "<|object_ref_start|>the kettle [2]<|object_ref_end|><|box_start|>(120,240),(360,480)<|box_end|><|im_end|>",
        "tags",
    ),
    ("tags", "qwen3_vl", "kettle(120,240),(360,480)", "points"),
    ("tags", "internvl3", "<box>(120, 240), (360, 480)</box>", "tags"),
    ("tags", "internvl3", "It is <box>[120, 240, 360, 480]</box>", "prose"),
    ("tags", "internvl3", "<ref>a</ref><box>(120,240),(360,480)</box><ref>b</ref><box>(1,2),(3,4)</box>", "tags"),
    ("wrapper", "qwen3_vl", THOUGHT + f"<answer>[{ENTRY}]</answer>", "tags"),
    ("wrapper", "qwen3_vl", f"<answer>\n{block(ENTRY)}\n</answer>", "tags"),
    ("wrapper", "internvl3", "<answer>The kettle is at [120, 240, 360, 480].</answer>", "prose"),
    ("thoughts", "qwen3_vl", "<think>\nHere.\n</think>\n</think>\n" + block(f"[{ENTRY}]"), "thoughts"),
    ("thoughts", "qwen3_vl", "Here.</think><think>Sure?</think>" + block(f"[{ENTRY}]"), "thoughts"),
    ("thoughts", "internvl3", "<think>At [1, 2, 3, 4]?</think></think><box>[120, 240, 360, 480]</box>", "thoughts"),
    ("quotes", "qwen3_vl", block('[{"bbox_2d": [120, 240, 360, 480], "label": "a "hot" kettle"}]'), "quotes"),
    ("quotes", "qwen3_vl", block('[{"label": "the "A", "B" cup", "bbox_2d": [120, 240, 360, 480]}]'), "quotes"),
    ("quotes", "qwen3_vl", block('[{"bbox_2d": [120, 240, 360, 480], "label": ""stop" sign"}]'), "quotes"),
    ("quotes", "qwen3_vl", "[{'bbox_2d': [120, 240, 360, 480], 'label': 'cook's pot'}]", "json"),
    ("json", "qwen3_vl", block(f"[{ENTRY},]"), "json"),
    ("json", "qwen3_vl", block('[{"bbox_2d": [120, 240, 360, 480,], "label": "kettle",}]'), "json"),
    ("json", "qwen3_vl", block("[{bbox_2d: [120, 240, 360, 480], label: 'kettle', sure: True}]"), "json"),
    ("json", "qwen3_vl", block("[{'bbox_2d': (120, 240, 360, 480)}]"), "json"),
    ("json", "qwen3_vl", block('[{"bbox_2d": [120, 240, 360, 480]} // the kettle\n]'), "format"),
    ("json", "qwen3_vl", block('[{"bbox_2d": [120 240 360 480]}]'), "json"),
    ("json", "qwen3_vl", block(f"{ENTRY}\n{OTHER}"), "format"),
    ("nested", "qwen3_vl", block('[{"bbox_2d": [[120, 240], [360, 480]]}]'), "nested"),
    ("nested", "qwen3_vl", block('{"objects": [{"bbox": [120, 240, 360, 480]}]}'), "nested"),
    ("nested", "internvl3", '{"kettle": [120, 240, 360, 480]}', "nested"),
    ("string", "qwen3_vl", block('[{"bbox_2d": "120, 240, 360, 480"}]'), "string"),
    ("string", "qwen3_vl", block('[{"bbox_2d": "(120,240),(360,480)"}]'), "string"),
    ("string", "qwen3_vl", block('[{"bbox_2d": ["120", "240", "360", "480"]}]'), "string"),
    ("keys", "qwen3_vl", block('{"x1": 120, "y1": 240, "x2": 360, "y2": 480}'), "keys"),
    ("keys", "qwen3_vl", block('[{"bbox": {"xmin": 120, "xmax": 360, "ymin": 240, "ymax": 480}}]'), "keys"),
    ("keys", "qwen3_vl", block('{"x_min": 120, "y_min": 240, "x_max": 360, "y_max": 480, "label": "kettle"}'), "keys"),
    ("keys", "internvl3", '{"top_left": [120, 240], "bottom_right": {"x": 360, "y": 480}}', "keys"),
    ("keys", "internvl3", "The box is (x1=120, y1=240, x2=360, y2=480).", "keys"),
    ("corners", "internvl3", "From the top-left corner (120, 240) to the bottom-right corner (360, 480).", "points"),
    ("edge", "qwen3_vl", block('[{"bbox_2d": [120, 240, 1001, 480], "label": "kettle"}]'), "edge"),
    ("labels", "internvl3", "kettle[[120, 240, 360, 480]]\nstove[[1, 2, 3, 4]]", None),
]

ABSENT = [
    ("null", "qwen3_vl", THOUGHT + block('[{"bbox_2d": null, "label": "zebra"}]')),
    ("null", "qwen3_vl", THOUGHT + "null"),
    ("null", "qwen3_vl", block('{"bbox_2d": [], "label": "zebra"}')),
    ("null", "qwen3_vl", block("[{'bbox_2d': None}]")),
    ("null", "qwen3_vl", block('{"objects": []}')),
    ("null", "qwen3_vl", block('{"bbox_2d": "none"}')),
    ("null", "internvl3", "<ref>zebra</ref><box></box>"),
    ("null", "internvl3", "<ref>zebra</ref><box>None</box>"),
    ("empty", "qwen3_vl", "{}"),
    ("empty", "qwen3_vl", THOUGHT + block("[{}]")),
    ("empty", "internvl3", "The answer is [].  "),
    ("words", "qwen3_vl", "There is no zebra in this image."),
    ("words", "qwen3_vl", THOUGHT + "There is no zebra."),
    ("words", "qwen3_vl", THOUGHT + "I couldn't find any zebra in the picture. It shows a kitchen."),
    ("words", "qwen3_vl", THOUGHT + "No zebra is visible in the image.\n\n" + block("[]")),
    ("words", "qwen3_vl", block('{"found": false, "label": "zebra"}')),
    ("words", "qwen3_vl", block('{"message": "The zebra is not present in the image."}')),
    ("words", "qwen3_vl", THOUGHT + "图中没有斑马。"),
    ("words", "internvl3", "The image does not contain a zebra."),
    ("words", "internvl3", "The zebra is not visible in the image."),
    ("words", "internvl3", "There doesn't appear to be a zebra in the scene."),
    ("words", "internvl3", "**No such object is present.**"),
    ("words", "internvl3", "<answer>None</answer>"),
]

REFUSED = [
    # What a limit cut.
    ("qwen3_vl", "truncated", "<think>The kettle stands"),
    ("qwen3_vl", "truncated", '{"bbox_2d": [120, 240, 36'),
    ("qwen3_vl", "truncated", THOUGHT + '```json\n[{"bbox_2d": [120, 240, 360, 480], "label": "a ket'),
    ("qwen3_vl", "truncated", THOUGHT + f"```json\n[{ENTRY},"),
    ("qwen3_vl", "truncated", "<|box_start|>(120,240),(36"),
    ("internvl3", "truncated", "<ref>kettle</ref><box>[[120, 240, 360"),
    ("internvl3", "truncated", "The kettle is at [120, 240, 360, 48"),
    ("internvl3", "truncated", "<answer><ref>kettle</ref><box>[120, 240, 360, 480]</box>"),
    # What two readers would read in two ways.
    ("qwen3_vl", "ambiguous", THOUGHT + block(f"[{OTHER}]") + "\nNo, better:\n" + block(f"[{ENTRY}]")),
    ("qwen3_vl", "ambiguous", THOUGHT + "First [1, 2, 3, 4], in the end [120, 240, 360, 480]."),
    ("qwen3_vl", "ambiguous", THOUGHT + f"[1, 2, 3, 4] <answer>[{ENTRY}]</answer>"),
    ("qwen3_vl", "ambiguous", THOUGHT + f"{block(ENTRY)}</think>"),
    ("qwen3_vl", "ambiguous", "I see a cup at [1, 2, 3, 4]. Then there is"),
    ("qwen3_vl", "ambiguous", 'Maybe ```json [{"bbox_2d": [1, 2, 3, 4]}]```'),
    ("qwen3_vl", "ambiguous", '[{"bbox_2d": [1, 2, 3, 4], "bbox_2d": [5, 6, 7, 8]}]'),
    ("qwen3_vl", "ambiguous", '[{"bbox_2d": [1, 2, 3, 4], "bbox": [5, 6, 7, 8]}]'),
    ("qwen3_vl", "ambiguous", THOUGHT + "There is no red kettle. A blue one:\n" + block(ENTRY)),
    ("qwen3_vl", "ambiguous", block(f'[{{"bbox_2d": null}}, {ENTRY}]')),
    ("internvl3", "ambiguous", "The cup at [1, 2, 3, 4] is beside the kettle[[120, 240, 360, 480]]"),
    ("internvl3", "ambiguous", "cup: [1, 2, 3, 4]\nkettle: [120, 240, 360, 480]"),
    ("internvl3", "ambiguous", "<think>x</think>row [1, 2, 3, 4][[120, 240, 360, 480]]"),
    # Boxes of another frame.
    ("qwen3_vl", "out_of_range", block('[{"bbox_2d": [300, 240, 1216, 480], "label": "kettle"}]')),
    ("qwen3_vl", "out_of_range", block('[{"bbox_2d": [-3, 240, 216, 480]}]')),
    ("internvl3", "out_of_range", "The box is [0, 50, 55, 9999]."),
    ("internvl3", "fractions", "<ref>kettle</ref><box>[[0.12, 0.24, 0.36, 0.48]]</box>"),
    ("internvl3", "fractions", "The kettle is at [0, 0.5, 1, 1]."),
    ("qwen3_vl", "fractions", block('[{"bbox_2d": [0.12, 0.24, 0.36, 0.48]}]')),
    # Other shapes, and broken ones.
    ("qwen3_vl", "not_four_numbers", block('[{"bbox_3d": [0.1, 0.2, 1.1, 1, 2, 3, 0, 0, 1.5]}]')),
    ("qwen3_vl", "malformed", block('[{"box_2d": [120, 240, 360, 480]}]')),
    ("qwen3_vl", "malformed", block('[{"keypoints": [120, 240, 360, 480]}]')),
    ("qwen3_vl", "no_box", block('[{"x": 120, "y": 240, "width": 36, "height": 48, "bbox": {"a": [1]}}]')),
    ("qwen3_vl", "not_four_numbers", block('[{"point_2d": [120, 240, 0], "label": "kettle"}]')),
    ("qwen3_vl", "no_box", block('[{"label": "kettle"}]')),
    ("qwen3_vl", "malformed", block('[{"bbox_2d": [120, 240, 360, 480], "odd"]}, "odd"}]')),
    ("qwen3_vl", "malformed", block('[{"bbox_2d": [120, 240, 360, 480')),
    ("qwen3_vl", "malformed", block('[{"bbox_2d": [120, 240, 360 480]}]')),
    ("qwen3_vl", "malformed", block('[{"bbox_2d": ["12%", "24%", "36%", "48%"]}]')),
    ("internvl3", "not_four_numbers", "The kettle is at [120, 240, 360]."),
    ("internvl3", "no_box", "The kettle is at (120, 240)."),
    ("internvl3", "no_box", "The kettle spans 120, 240, 360, 480"),
    # Words that are no absence.
    ("qwen3_vl", "no_answer", block("")),
    ("qwen3_vl", "no_box", THOUGHT + "There is no doubt that it is the left kettle."),
    ("qwen3_vl", "no_box", THOUGHT + "There might be no kettle in the image."),
    ("qwen3_vl", "no_box", THOUGHT + "I'm sorry, I cannot see the image."),
    ("qwen3_vl", "no_box", THOUGHT + "No image was provided."),
    ("qwen3_vl", "no_box", THOUGHT + "There is no handle on it. The kettle is on the stove."),
    ("qwen3_vl", "no_box", THOUGHT + "There is no red kettle on the table, but there is one on the stove."),
    ("internvl3", "no_box", "There is no other kettle in the image."),
    ("internvl3", "no_box", "The kettle is on the stove."),
]


def named(cases):
    return [pytest.param(*case, id=f"{case[0]}-{i}") for i, case in enumerate(cases)]


@pytest.mark.parametrize(("kind", "name", "text", "salvaged"), named(BOXES))
def test_a_box_that_nobody_would_doubt(kind, name, text, salvaged):
    answer = family(name).parse(text, "salvage")
    assert (answer.kind, answer.box, answer.reason) == ("box", BOX, "") or (kind, answer.box) == (
        "edge",
        (120, 240, 1000, 480),
    )
    strict = family(name).parse(text)
    if salvaged is None:
        assert strict == answer or name == "internvl3"
    else:
        assert strict.kind == "invalid"
        assert salvaged in answer.salvaged
    assert answer.span is not None
    assert all(number in text[slice(*answer.span)] for number in ("120", "240", "480"))


@pytest.mark.parametrize(("kind", "name", "text"), named(ABSENT))
def test_an_absence_that_nobody_would_doubt(kind, name, text):
    answer = family(name).parse(text, "salvage")
    assert (answer.kind, answer.box, answer.reason) == ("absent", None, "")


@pytest.mark.parametrize(("name", "reason", "text"), named(REFUSED))
def test_what_must_not_be_guessed_is_refused_by_name(name, reason, text):
    answer = family(name).parse(text, "salvage")
    assert (answer.kind, answer.reason, answer.box) == ("invalid", reason, None)


def test_labels_are_read():
    for name, text, label in (
        ("qwen3_vl", block(f"[{ENTRY}]"), "kettle"),
        ("qwen3_vl", block(ENTRY), "kettle"),
        ("qwen3_vl", block('{"name": "pot", "bbox": [1, 2, 3, 4]}'), "pot"),
        ("internvl3", "<ref>kettle</ref><box>[1, 2, 3, 4]</box>", "kettle"),
        ("internvl3", "<ref>kettle</ref><box>(1, 2), (3, 4)</box>", "kettle"),
        ("internvl3", "kettle[[1, 2, 3, 4]]", "kettle"),
        ("internvl3", "kettle[[1, 2, 3, 4]]\npot[[5, 6, 7, 8]]", "kettle"),
    ):
        assert family(name).parse(text, "salvage").label == label


def test_of_several_objects_the_first_counts():
    for name, text, seen in (
        ("qwen3_vl", block(f"{ENTRY},\n{OTHER}"), 2),
        ("qwen3_vl", block(f'{{"objects": [{ENTRY}, {OTHER}, {OTHER}]}}'), 3),
        ("qwen3_vl", '{"name": "a", "bbox": [120, 240, 360, 480], "name": "b", "bbox": [1, 2, 3, 4]}', 2),
        ("internvl3", "a[[120, 240, 360, 480], [1, 2, 3, 4]]\nb[[5, 6, 7, 8]]", 3),
    ):
        answer = family(name).parse(text, "salvage")
        assert (answer.box, answer.boxes_seen) == (BOX, seen)


@pytest.mark.parametrize(("kind", "name", "text", "salvaged"), named(BOXES))
def test_chopped_anywhere_it_never_gives_another_box(kind, name, text, salvaged):
    whole = family(name).parse(text, "salvage").box
    for end in range(len(text)):
        assert family(name).parse(text[:end], "salvage").box in (None, whole), text[:end]


SENT = st.text(st.characters(exclude_characters="\\", exclude_categories=("Cs", "Cc")), max_size=24)


@settings(max_examples=300, deadline=None)
@given(sent=SENT, reasoning=st.sampled_from(["", "It is [1, 2, 3, 4] or ```json\n[[5, 6, 7, 8]]\n``` maybe."]))
def test_an_expression_that_stands_unescaped_in_the_label_never_moves_the_box(sent, reasoning):
    text = f'{reasoning}\n</think>\n\n```json\n[\n\t{{"bbox_2d": [120, 240, 360, 480], "label": "{sent}"}}\n]\n```'
    answer = family("qwen3_vl").parse(text, "salvage")
    assert answer.box == BOX or answer.kind == "invalid"


@pytest.mark.parametrize("sent", ['van with "AVIS" logo', '"STOP" sign', 'the "A", "B" cup', "cup [1, 2, 3, 4]", 'a "'])
@pytest.mark.parametrize("name", FAMILIES)
def test_what_training_teaches_is_read(name, sent):
    speaker = family(name)
    text = speaker.target(sent, BOX, "It is there.", "visible")
    assert speaker.parse(text, "salvage").box == BOX
    assert speaker.parse(text.replace(json.dumps(sent), f'"{sent}"'), "salvage").box == BOX


REFUTED = (
    "The bounding box in [ymin, xmin, ymax, xmax] format is [200, 100, 400, 300].",
    "Box (top, left, bottom, right): [200, 100, 400, 300]",
    "The bounding box in xywh format: [100, 200, 300, 400]",
    "The bounding box is [300, 400, 100, 200] (center x, center y, width, height).",
    '{"bbox_2d": [100, 200, 300, 400], "format": "xywh"}',
    '{"bbox": [100, 200, 50, 60], "bbox_mode": "XYWH_ABS"}',
    '{"rect": [100, 200, 50, 60]}',
    '{"found": false, "bbox_2d": [0, 0, 1000, 1000]}',
    '{"status": "absent", "bbox_2d": [1, 2, 300, 400]}',
    '{"draft": {"bbox_2d": [100, 200, 300, 400]}, "final": {"bbox_2d": [500, 600, 700, 800]}}',
    "The box is [100, 200, 300, 400], but that is the blue one. The kettle is not visible.",
    "The bounding box [100, 200, 300, 400] does not contain the kettle.",
    '{"bbox_2d": [100, 200, 300, 400]} is wrong.',
    "The bounding box is [100, 200, 300, 400] pixels in a 1920x1080 image.",
    "The bounding box would be [100, 200, 300, 400] if the kettle were there.",
)


@pytest.mark.parametrize("text", REFUTED)
def test_a_box_that_its_own_answer_refutes_or_shifts_is_not_published(text: str) -> None:
    answer = family("qwen3_vl").parse(text, "salvage")
    assert (answer.kind, answer.box) == ("invalid", None), text

"""Whole traces before the rules: what must not be trained on, in many wordings, and what must not be lost."""

from __future__ import annotations

import time

import pytest

from egm_core.curate.rules.facts import Facts
from egm_core.curate.rules.finding import Finding
from egm_core.curate.rules.judge import RULES, SUSPICIONS, judge, suspects

MUG = Facts(
    "the white mug near the plate",
    "mug",
    frame_colour="green",
    others=("the blue plate", "the red box", "the silver kettle"),
)
CAR = Facts(
    "the red car behind the van",
    "car",
    frame_colour="cyan",
    task="amodal",
    occluders=("the grey van",),
    hidden_sides=("left",),
    others=("the grey van", "the blue bus", "the old woman"),
    visible_share=0.6,
)

DRAWN = """
There is a green rectangle around the white mug, so it is the one meant.
The mug with the green outline stands next to the plate and is white.
The box drawn around the mug makes it clear which one is intended.
As highlighted in the picture, the white mug is right beside the blue plate.
The white mug has been circled, and it stands near the plate.
The annotated mug is white and close to the plate.
Based on the ground truth, it is the white mug by the plate.
The bounding box covers the white mug on the left of the plate.
The lime border encloses the mug next to the plate.
The mug inside the frame is white and stands by the plate.
I can see from the provided region that the white mug is meant.
The overlay points to the white mug near the plate on the table.
In the second image the white mug is clearly the one that counts.
The red arrow points at the white mug beside the blue plate.
The coloured line around the mug shows where it ends on every side.
The mug which someone outlined is the white one near the plate.
Judging by the marked region, the white mug near the plate is wanted.
The white mug is indicated by a frame, and it stands near the plate.
The given box shows that the mug by the plate is meant.
The labelled object is a white mug standing close to the plate.
It is the white mug near the plate, as the thin green edges around it show.
The white mug is enclosed by four straight lines beside the plate.
The mug has a neon border, which tells it apart from the others near the plate.
I was shown that the white mug near the plate is the right one.
The image with the drawing makes it plain that the mug by the plate is meant.
The highlighted area holds a white mug, close to the plate.
The white mug, marked for us, stands near the blue plate.
Its location is given, so I know that the white mug by the plate is meant.
The selected object is white and stands near the plate.
The green box sits tightly on the mug beside the plate.
The target is pointed out by the editor of the picture: a white mug near the plate.
A frame surrounds the white mug that stands near the plate.
The white mug is the one emphasised in the image, close to the plate.
The rectangular marking encloses the white mug near the plate.
The visual prompt leads to the white mug next to the plate.
The mug near the plate is outlined in green, so it must be that one.
""".strip().splitlines()
NUMBERED = """
The white mug is at [120, 45, 200, 130], near the plate.
The white mug is about 80 pixels wide and stands near the plate.
The mug stands at x = 0.3 near the plate and is white.
The white mug is some twenty centimetres from the plate.
The white mug covers ten percent of the picture near the plate.
The white mug near the plate starts at three hundred and ends at four hundred.
The white mug sits one third of the way across the image, near the plate.
The top left corner of the white mug has the coordinates of a point near the plate.
The mug is rotated by forty degrees beside the plate, and it is white.
The white mug is in the fourth column of a five by five grid, near the plate.
The white mug near the plate lies at four o'clock from the centre.
The white mug is two inches to the left of the plate.
The white mug spans from zero point two to zero point four, near the plate.
The white mug (120, 45) stands near the plate.
""".strip().splitlines()
REFUSED = """
I'm sorry, but I can't help with identifying this object in the picture.
I cannot see any mug in this image, so I am unable to explain it.
Unfortunately the picture is too blurry to find the mug that is described.
Please upload the image again so that I can look for the mug.
I do not have access to the image, so I cannot describe the mug.
As a large language model I have no eyes with which to find the mug.
The description doesn't match anything in the picture, so I will not answer.
It would be irresponsible of me to guess, so I won't answer that.
I am not able to identify the mug in question with any certainty.
""".strip().splitlines()
BROKEN = """
Analysis failed: Error code: 429 - rate limit reached for requests per minute
Error: connection to the host was refused while reading the answer.
<html><body><h1>504 Gateway Time-out</h1></body></html>
Traceback (most recent call last): File "run.py" in main, KeyError: 'choices'
The server is busy at the moment, so please try again in a while.
Request timed out after waiting for the model to answer.
openai.BadRequestError: the image could not be decoded by the service.
{"error": {"message": "invalid request", "type": "server_error"}}
Content was blocked by the safety filter of the provider.
""".strip().splitlines()
WRAPPED = [
    "```json\nThe white mug stands near the plate.\n```",
    '{"reasoning": "The white mug stands near the plate."}',
    "**Reasoning:** The white mug stands near the plate.",
    "<think>The white mug stands near the plate.</think>",
    "The white mug stands near the plate.<|endoftext|>",
    "- The white mug stands near the plate.\n- It has a handle.",
    "Reasoning: the white mug stands near the plate and has a handle.",
    "Sure! The white mug stands near the plate and has a handle.",
    "Here is the explanation: the white mug stands near the plate.",
    "As instructed, I avoid numbers: the white mug stands near the plate.",
    "The white mug stands near the {neighbour} and has a handle.",
    "# Answer\nThe white mug stands near the plate and has a handle.",
    "The user wants the white mug that stands near the plate.",
    "I hope this helps you to find the white mug near the plate.",
    "The white mug stands near the plate.\\nIt has a handle.",
]
LENGTHS = [
    "The mug.",
    "White mug near plate.",
    "The white mug stands near the plate and",
    "The white mug stands near the plate, and its han",
    "The white mug is near the plate because the",
    "The white mug stands near the plate. " * 12,
    "near near near near near near near near the white mug.",
    " ".join(["The white mug that has a handle and a rim and stands on the table beside other things"] * 12) + ".",
]
FOREIGN = """
Die weiße Tasse steht links neben dem Teller und hat einen Henkel.
La tasse blanche se trouve à gauche de l'assiette, sur la table.
La taza blanca está cerca del plato y tiene un asa grande.
Белая кружка стоит рядом с тарелкой на столе.
白いマグカップは皿の隣にあります。
The white mug is near the plate, y tiene un asa en el lado derecho de la mesa.
Biały kubek stoi obok talerza i ma duże ucho z prawej strony.
De witte beker staat naast het bord en heeft een groot oor.
Beyaz kupa tabağın yanında duruyor ve büyük bir kulpu var.
""".strip().splitlines()
OTHERS = """
The red box is what the phrase describes, with its lid closed.
I look for the silver kettle, which shines and has a long spout.
What is meant must be the red box; its corners are sharp and its lid is shut.
The kettle gleams in the light, and its spout points to the window.
""".strip().splitlines()
OCCLUDERS = """
The red car is partly hidden by the blue bus, so it goes on to the left.
The blue bus stands in front of the red car and covers its left part.
The old woman blocks the view of the red car, whose left end is concealed.
The left end of the car disappears behind the blue bus that is parked there.
""".strip().splitlines()
WRONG_SIDES = """
The grey van hides the right side of the red car, so it should be continued there.
The red car goes on behind the grey van, towards the right, by a good part of its length.
Its top is covered by the grey van, so the car has to be extended upwards.
The lower part of the red car is lost behind the grey van.
The left side of the car is fully visible, while its right end lies behind the grey van.
""".strip().splitlines()
PLANTED = {
    "drawing": (MUG, DRAWN),
    "numbers": (MUG, NUMBERED),
    "refusal": (MUG, REFUSED),
    "error": (MUG, BROKEN),
    "leftover": (MUG, WRAPPED),
    "length": (MUG, LENGTHS),
    "language": (MUG, FOREIGN),
    "wrong_object": (MUG, OTHERS),
    "wrong_occluder": (CAR, OCCLUDERS),
    "wrong_side": (CAR, WRONG_SIDES),
}

GOOD_MUGS = """
The white mug stands to the left of the blue plate, and its handle points towards us.
Two mugs are on the table. The white one is close to the plate, the other is by the window.
I look for the plate first; the mug beside it is white, with a thin dark rim around its top.
Of the three mugs only one is white, and it is the one nearest to the plate.
The mug's outline is easy to follow against the dark wall, and its border with the plate is clear.
The red box behind it is not meant; the mug is the smaller, white thing beside the plate.
Its edges stand out against the table, so the mug near the plate is easy to tell apart.
The light from the lamp highlights its rim, and the plate is right next to it.
In the lower left part of the frame there is a plate, and the white mug stands beside it.
The window frame casts a shadow over the white mug beside the plate.
A line of cups hangs on the wall, but the white mug by the plate stands on the table.
The white mug has a label with a drawing of a cat and stands near the plate.
The mug in question is marked by a chip in its rim and stands next to the plate.
Near the plate I see a white mug, which is bounded by the table's edge on one side.
The mug is the white one, framed by the plate on one side and the kettle on the other.
I can't mistake it for the kettle, because the white mug has no spout and is beside the plate.
It is the second mug from the left, white, and right next to the plate.
The white mug is in the top right corner of the picture, close to the plate.
""".strip().splitlines()
GOOD_CARS = """
The red car stands behind the grey van, which hides its left part. A car of this kind goes on for about half again.
The grey van covers the left end of the red car, so I extend it clearly towards the left.
The right side of the car is in plain view, while its left end disappears behind the grey van.
Only the rear of the red car can be seen on the right, since the grey van stands before its left half.
I cannot see the front of the red car, because the grey van is in the way; it must go on to the left.
To the right of the van there is a red car; its bonnet, hidden by the van, would reach further left.
The blue bus is farther away. It is the grey van that hides the left of the red car.
The car's full shape includes the bonnet and a front wheel, both hidden behind the van on the left.
""".strip().splitlines()
GOOD = {
    "mug": (MUG, GOOD_MUGS),
    "car": (CAR, GOOD_CARS),
    "green box": (
        Facts("the green box", "box", "magenta"),
        [
            "The green box stands on the shelf, and its lid is closed.",
            "The box is green, and it is the only box with a lid on the shelf.",
        ],
    ),
    "number": (
        Facts("the player with number 23", "person", "cyan"),
        [
            "The player in the middle wears number 23 on the back of the shirt.",
            "Only one shirt has a 23 on it; its player runs to the left.",
        ],
    ),
    "frame": (
        Facts("the picture frame on the desk", "picture frame", "cyan"),
        [
            "The frame on the desk is made of dark wood and stands beside a lamp.",
            "The picture frame is the only thing on the desk that holds a photograph.",
        ],
    ),
    "outline": (
        Facts("the T-shirt with the red outline drawing", "T-shirt", "cyan"),
        ["The T-shirt hangs on the line, and the red outline drawing on its front shows a horse."],
    ),
    "queue": (
        Facts("the last person in the line", "person", "cyan"),
        ["The line runs along the wall, and the last person in the line wears a dark coat."],
    ),
}


@pytest.mark.parametrize(("facts", "trace"), [(facts, one) for facts, many in PLANTED.values() for one in many])
def test_a_mistake_is_found(facts: Facts, trace: str) -> None:
    findings = judge(trace, facts)
    assert findings and all(finding.rule in RULES and finding.words and finding.why for finding in findings)


@pytest.mark.parametrize(("facts", "trace"), [(facts, one) for facts, many in GOOD.values() for one in many])
def test_a_good_trace_is_kept(facts: Facts, trace: str) -> None:
    assert judge(trace, facts) == ()


@pytest.mark.parametrize("kind", [kind for kind in PLANTED if kind not in ("leftover", "length", "error")])
def test_most_mistakes_are_called_by_their_kind(kind: str) -> None:
    facts, traces = PLANTED[kind]
    named = [any(finding.rule == kind for finding in judge(trace, facts)) for trace in traces]
    assert sum(named) >= 0.8 * len(named)


def test_words_of_the_expression_are_allowed_and_the_same_elsewhere_are_not() -> None:
    said = "The box is green, and it stands on the shelf beside the books."
    assert not judge(said, Facts("the green box", "box", "green"))
    assert judge(said, Facts("the book on the shelf", "book", "green"))
    assert judge(
        "The bounding box of the green box ends at the shelf, beside the books.", Facts("the green box", "box")
    )
    assert not judge("Number 23 is on the door of the house on the left side.", Facts("house number 23", "house"))
    assert judge("Number 24 is on the door of the house on the left side.", Facts("house number 23", "house"))


def test_without_facts_of_the_scene_nothing_is_held_against_it() -> None:
    unknown = Facts("the red car", "car", task="amodal")
    assert judge("The bus hides the right side of the red car, which goes on there.", unknown) == ()


def test_a_long_text_is_judged_in_no_time() -> None:
    started = time.monotonic()
    judge("The white mug with a line and a box and a frame near the plate " * 200, MUG)
    assert time.monotonic() - started < 5


def test_rules_that_go_by_meaning_suspect_and_the_others_decide() -> None:
    assert set(SUSPICIONS) < set(RULES)
    found = {one.rule: suspects(one) for one in judge("Look in the green frame at [1, 2, 3, 4] near the plate.", MUG)}
    assert found["drawing"] and not found["numbers"]
    assert not suspects(Finding("wrong_side", "top", "not where it is hidden: left", named=True))

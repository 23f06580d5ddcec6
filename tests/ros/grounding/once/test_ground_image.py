"""~/ground_image on real DDS: the image comes with the request."""

from __future__ import annotations

import array

import pytest

pytest.importorskip("vision_msgs", reason="no ROS 2 with vision_msgs")
pytest.importorskip("egm_msgs.action", reason="egm_msgs is not built: make setup, or colcon build")

from asking_once import Asker, edges
from domains import UNCLAIMED
from robot import image_message
from running import start_node, until_stopped
from scripted_engine import box_of

pytestmark = [pytest.mark.ros, pytest.mark.clock]

DOMAIN = UNCLAIMED


@pytest.fixture(scope="module")
def node(engine):
    settings = {"force_amodal": True, "image_timeout": 3600.0, "query_timeout": 20.0}
    node = start_node(DOMAIN, model="scripted-qwen", engine_url=engine.url, **settings)
    yield from until_stopped(node)


@pytest.fixture(scope="module")
def asker(running_robot):
    return Asker(running_robot)


@pytest.fixture(autouse=True)
def found(engine):
    engine.script(mode="found", delay=0.0, logprob=-0.1)


def test_the_image_of_the_request_is_answered_though_no_camera_sends_any(asker):
    image = image_message(300, 150, stamp=1.5, frame="from_a_file")
    response = asker.image(image=image)
    assert (response.outcome, response.reason, response.detail) == ("found", "", "")
    assert response.visible.header == response.amodal.header == image.header
    scale = (0.3, 0.15, 0.3, 0.15)
    for boxes, amodal in ((response.visible, False), (response.amodal, True)):
        box = [edge * factor for edge, factor in zip(box_of("the mug", amodal), scale, strict=True)]
        assert edges(boxes) == [pytest.approx(box)]
    assert 0.0 < response.engine_ms <= response.total_ms


def test_what_is_not_there_is_absent(asker, engine):
    engine.script(mode="absent")
    response = asker.image("the unicorn", image=image_message())
    assert (response.outcome, response.visible.detections) == ("absent", [])
    assert response.detail == "nothing in the image fits: the unicorn"


@pytest.mark.parametrize(
    ("fields", "reason", "told"),
    [
        ({"image": None}, "bad_image", "the request has no image"),
        ({"image": array.array("B", bytes(10))}, "bad_image", "9216, but 10 came"),
        ({"instruction": ""}, "no_instruction", "name an object"),
        ({"deadline": float("inf")}, "bad_deadline", "deadline: inf"),
        ({"min_score": 2.0}, "bad_min_score", "min_score: 2.0 is outside 0 to 1"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_bad_request_says_what_is_wrong(asker, engine, fields, reason, told):
    image = image_message()
    if "image" in fields:
        given = fields.pop("image")
        image = type(image)() if given is None else image
        image.data = given or []
    asked = engine.stats()["asked"]
    response = asker.image(**{"instruction": "the mug", "image": image} | fields)
    assert (response.outcome, response.reason) == ("error", reason)
    assert told in response.detail
    assert engine.stats()["asked"] == asked

"""What the launch files refuse in one line: arguments that cannot hold, files that no node would heed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from launched import Start
from launches import Launch

pytestmark = [pytest.mark.ros, pytest.mark.slow]

REFUSED = {
    "famly:=qwen3_vl": "famly: no argument of this launch file; did you mean family?",
    "max_propagation:=9.0": "max_propagation: no argument of this launch file, but a parameter of propagation",
    "lift:=propagated": "lift: propagated boxes come from the propagation node: pass propagate:=true as well",
    "image:=/eye/compressed": "image: /eye/compressed has compressed images: pass transport:=compressed as well",
    "image:=/eye/theora": "image: /eye/theora is a stream of the kind theora",
    "image:=/eye/ffmpeg": "`ros2 run image_transport republish ffmpeg raw` makes those",
    "lift:=true depth:=/eye/depth/theora": "depth: /eye/depth/theora is a stream of the kind theora",
    "transport:=ffmpeg compressed_image:=/eye/jpeg": "compressed_image: does nothing without transport:=compressed",
    "transport:=ffmpeg image:=/eye/theora": "image: /eye/theora is a stream of the kind theora",
    "compressed_image:=/eye/jpeg": "compressed_image: does nothing without transport:=compressed",
    "image:=/eye//image": "image: '/eye//image' is no name of a topic",
    "instruction:=say it": "instruction: 'say it' is no name of a topic",
    "image:=/{camera}/image": "image: '/{camera}/image' is no name of a topic",
    "namespace:=my-robot": "namespace: 'my-robot' is no namespace",
    "depth:=/eye/depth": "depth: does nothing without lift:=true",
    "target_frame:=map": "target_frame: does nothing without lift:=true",
    "max_rate:=often": "max_rate: 'often' is not of type float",
    "respawn_delay:=5.0": "respawn_delay: does nothing without respawn:=true",
    "respawn_delay:=soon": "respawn_delay: 'soon' is no number of seconds",
    "respawn_delay:=-1": "respawn_delay: -1 is outside 0 to 600 s",
    "max_rate:=99": "max_rate: 99.0 is outside 0 to 30 Hz",
    "use_sim_time:=maybe": '"use_sim_time" provided value "maybe" is not valid',
    "params_file:=/nowhere.yaml": "params_file: /nowhere.yaml: No such file or directory",
    "cameras:=front,left image:=/camera/image": "image: /camera/image is one topic for several cameras",
}


@pytest.mark.parametrize("words", REFUSED)
def test_arguments_that_cannot_hold_are_refused_in_one_line(start: Start, words: str) -> None:
    refused(start("grounding", *re.split(r" (?=\w+:=)", words)), REFUSED[words])


def refused(launched: Launch, said: str) -> None:
    assert launched.ended(60) == 1
    lines = [line for line in launched.output.splitlines() if said in line]
    assert lines, launched.output
    assert "Traceback" not in launched.output and "process started" not in launched.output


WRONG_FILES = {
    "/**/grounding:\n  ros__parameters: {max_rat: 3.0}": "max_rat: there is no such parameter; did you mean max_rate?",
    "/**:\n  ros__parameters: {no_such_thing: 3.0}": "/**: no_such_thing: there is no such parameter",
    "/**/overlay:\n  ros__parameters: {transprt: raw}": "/**/overlay: transprt: there is no such parameter",
    "grounding:\n  max_rate: 3.0": "/grounding/max_rate holds no ros__parameters",
    "/other/grounding:\n  ros__parameters: {max_rate: 3.0}": "is about /other/grounding; the nodes here are /grounding",
    "max_rate": "has no section such as /**/grounding",
    "a: [": "is not YAML",
}


@pytest.mark.parametrize("text", WRONG_FILES)
def test_files_that_no_node_would_heed_are_refused(start: Start, tmp_path: Path, text: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    refused(start("grounding", f"params_file:={file}"), WRONG_FILES[text])


USELESS = {
    "image:=/eye": "image: no argument of this launch file",
    "cameras:=front": "cameras: no argument of this launch file",
    "default_instruction:=mug": "default_instruction: no argument of this launch file",
    "world:=street": "world: does nothing with source:=clip; it is for source:=scene",
    "topic:=/eye": "topic: does nothing with source:=clip; it is for source:=bag",
    "source:=webcam path:=street": "path: does nothing with source:=webcam",
    "lift:=true": "lift: source:=clip knows no depth; source:=scene does",
}


@pytest.mark.parametrize("words", USELESS)
def test_arguments_of_the_demo_that_would_do_nothing_are_refused(start: Start, words: str) -> None:
    refused(start("demo", *words.split()), USELESS[words])


def test_rviz_shows_what_the_nodes_publish_or_is_said_to_be_missing(start: Start) -> None:
    if shutil.which("rviz2"):
        launched = start("grounding", "rviz:=true", "namespace:=robot", "--print-description")
        launched.ended(60)
        assert "rviz" in launched.output and "Traceback" not in launched.output
        return
    refused(start("grounding", "rviz:=true", "namespace:=robot"), "sudo apt install ros-$ROS_DISTRO-rviz2")

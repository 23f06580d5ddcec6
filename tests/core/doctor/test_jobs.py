"""What each job lacks, by facts that are given: one thing missing at a time, on a machine that has all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from egm_core.doctor import libraries
from egm_core.doctor.facts import Facts, Ros, Server
from egm_core.doctor.jobs import Job, judge, names
from egm_core.servers.machine import Gpu

WHOLE = Facts(
    python="3.12.3",
    executable="/usr/bin/python3",
    checkout="/home/robot/egm_ros",
    modules=dict.fromkeys(libraries.known(), "1.0"),
    memory=16,
    memory_free=8,
    disk_folder="/home/robot",
    disk_free=100,
    shared_memory=8,
    gpus=(Gpu("H100", 80),),
    gpus_of_torch=1,
    egl=True,
    ros=Ros("jazzy", "rmw_fastrtps_cpp", "/profile.xml"),
    servers=(Server("http://127.0.0.1:8000", ("EGM-8B",), True),),
    embedded=True,
)


def without(*names: str) -> Facts:
    return replace(WHOLE, modules={**WHOLE.modules, **dict.fromkeys(names)})


def jobs(facts: Facts) -> dict[str, Job]:
    return {job.name: job for job in judge(facts)}


def failing(facts: Facts) -> set[str]:
    return {job.name for job in judge(facts) if not job.works}


def remedies(facts: Facts, job: str) -> str:
    return "\n".join(f"{lack.what} > {lack.remedy}" for lack in jobs(facts)[job].lacks)


def test_a_machine_that_has_all_lacks_nothing() -> None:
    assert failing(WHOLE) == set()
    assert names() == ["ground", "demo", "node", "serve", "connect", "scenes", "data", "train", "evaluate"]


@pytest.mark.parametrize(
    ("facts", "stopped", "job", "words"),
    [
        (without("torch"), {"ground", "demo", "serve", "train", "evaluate"}, "ground", "'/home/robot/egm_ros[engine]'"),
        (without("mujoco"), {"scenes", "train", "evaluate"}, "scenes", "pip install '/home/robot/egm_ros[scenes]'"),
        (without("pycocotools"), {"data"}, "data", "pip install '/home/robot/egm_ros[data]'"),
        (without("trl"), {"train"}, "train", "pip install '/home/robot/egm_ros[train]'"),
        (without("torch", "trl"), {"ground", "demo", "serve", "train", "evaluate"}, "train", "egm_ros[engine,train]'"),
        (without("matplotlib"), {"train", "evaluate"}, "evaluate", "matplotlib"),
        (without("rclpy"), {"demo", "node"}, "node", "source /opt/ros/DISTRO/setup.bash"),
        (without("vision_msgs"), {"demo", "node"}, "node", "apt install ros-jazzy-vision-msgs"),
        (without("cv2"), set(names()), "node", "/usr/bin/python3 -m pip install '/home/robot/egm_ros'"),
        (replace(WHOLE, python="3.10.12"), set(names()) - {"node", "connect"}, "ground", "apt install python3.11"),
        (replace(WHOLE, python="3.9.2"), set(names()), "node", "Python 3.10 (this is 3.9.2)"),
        (replace(WHOLE, egl=False), {"scenes", "evaluate"}, "scenes", "apt install libegl1"),
        (replace(WHOLE, servers=()), {"connect"}, "connect", "egm serve --model MODEL"),
        (replace(WHOLE, servers=(Server("http://x:1", (), False),)), {"connect"}, "connect", "http://x:1 is not ready"),
        (replace(WHOLE, embedded=False), {"ground", "demo", "serve", "evaluate"}, "ground", "egm_tiny"),
        (replace(WHOLE, memory_free=0.1), set(names()) - {"connect", "scenes", "data"}, "node", "0.1 of 16.0 are free"),
        (replace(WHOLE, disk_free=0.5), {"scenes", "train"}, "train", "0.5 are free in /home/robot"),
        (replace(WHOLE, shared_memory=0.0625), {"demo", "node"}, "node", "--shm-size=1g"),
        (replace(WHOLE, ros=replace(WHOLE.ros, domain="my")), {"demo", "node"}, "node", "export ROS_DOMAIN_ID=N"),
        (replace(WHOLE, ros=replace(WHOLE.ros, domain="233")), {"demo", "node"}, "node", "'233' is none"),
        (
            replace(WHOLE, ros=replace(WHOLE.ros, profile="/gone.xml", profile_missing=True)),
            {"demo", "node"},
            "node",
            "export FASTRTPS_DEFAULT_PROFILES_FILE=/home/robot/egm_ros/config/fastdds_shm.xml",
        ),
    ],
)
def test_what_is_missing_stops_the_jobs_that_need_it_and_names_the_remedy(
    facts: Facts, stopped: set[str], job: str, words: str
) -> None:
    assert failing(facts) == stopped
    assert words in remedies(facts, job)


def test_an_old_python_is_not_told_to_install_what_pip_refuses_there() -> None:
    old = replace(without("cv2", "torch"), python="3.10.12")
    assert "python3.11 -m pip install '/home/robot/egm_ros[engine]'" in remedies(old, "ground")
    assert "/usr/bin/python3 -m pip install 'opencv-python-headless'" in remedies(old, "node")


def test_every_lack_has_a_remedy_and_is_said_once() -> None:
    nothing = Facts(python="3.8.1", executable="python3", memory=1, memory_free=0.01, shared_memory=0.01)
    for job in judge(nothing):
        assert job.lacks and all(lack.what and lack.remedy for lack in job.lacks)
        assert len({lack.what for lack in job.lacks}) == len(job.lacks)
    assert "'CHECKOUT_OF_EGM_ROS[engine]'" in remedies(nothing, "ground")


@pytest.mark.parametrize(
    ("facts", "job", "words"),
    [
        (replace(WHOLE, gpus=(), gpus_of_torch=0), "serve", "no GPU"),
        (replace(WHOLE, gpus_of_torch=0), "serve", "torch does not use the H100"),
        (replace(WHOLE, taken_ports=(8000,)), "serve", "port 8000 is taken: egm serve --port 0"),
        (replace(WHOLE, ros=replace(WHOLE.ros, profile="")), "node", "large_images:=true"),
        (replace(WHOLE, ros=replace(WHOLE.ros, domain="150")), "node", "from 0 to 101"),
        (without("launch_ros"), "node", "launch_ros"),
        (without("egm_msgs"), "node", "--packages-select egm_msgs"),
        (WHOLE, "connect", "EGM-8B: egm ground IMAGE 'the red mug' --engine-url http://127.0.0.1:8000"),
    ],
)
def test_what_is_slow_or_different_is_a_note_and_stops_nothing(facts: Facts, job: str, words: str) -> None:
    assert jobs(facts)[job].works
    assert any(words in note for note in jobs(facts)[job].notes)

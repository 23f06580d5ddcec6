"""What is said of pictures: a guessed order of colours, and sizes that do not get through."""

from __future__ import annotations

import pytest

pytest.importorskip("sensor_msgs", reason="no ROS 2")

from sensor_msgs.msg import CompressedImage, Image

from egm_ros.common.notices import Notices
from egm_ros.common.pictures import shared_memory
from egm_ros.common.pictures.report import PictureReport


class Log:
    """Keeps the warnings."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warning(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    monkeypatch.setattr(shared_memory, "_fast_dds", lambda: True)
    for variable in shared_memory.VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    return Log()


def test_a_guess_is_said_once_for_each_topic_and_encoding(log: Log) -> None:
    report = PictureReport(Notices(log))
    for topic in ("/front", "/left", "/front"):
        for encoding in ("8UC3", "rgb8", "8UC4"):
            report.came(topic, Image(encoding=encoding))
        report.came(topic, CompressedImage(format="jpeg"))
    assert len(log.said) == 4
    assert sum(text.startswith("/front: encoding 8UC3") and "taken as bgr8" in text for text in log.said) == 1
    assert sum(text.startswith("/left: encoding 8UC4") and "taken as bgra8" in text for text in log.said) == 1


def test_a_size_is_said_once_and_again_where_it_grows(log: Log) -> None:
    report = PictureReport(Notices(log))
    for size in (1000, 600_000, 600_000, 500_000, 2_000_000, 2_000_000):
        report.size(size)
    assert [text.split(" MB")[0] for text in log.said] == ["images of 0.6", "images of 2.0"]

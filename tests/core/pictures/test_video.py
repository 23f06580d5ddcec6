"""A video that comes packet by packet: each picture has its header, and what is lost or damaged is told."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from egm_core.pictures.messages import ImageError
from egm_core.pictures.video import KEY, PATIENCE, Video, codec_of

av = pytest.importorskip("av", reason="no PyAV")


def packets(count: int, key_every: int = 5, encoding: str = "libx264", step: int = 1) -> list[Any]:
    """Encode pictures that grow brighter, as the driver does: no picture waits for a later one."""
    codec = av.CodecContext.create("libx264", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = 64, 48, "yuv420p", Fraction(1, 30)
    codec.options = {"tune": "zerolatency", "g": str(key_every), "sc_threshold": "0"}
    found = []
    for number in range(count):
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 + 10 * number, np.uint8), format="rgb24")
        frame.pts = number
        for packet in codec.encode(frame):
            flags = KEY if packet.is_keyframe else 0
            found.append(
                SimpleNamespace(
                    header=f"header {packet.pts}", encoding=encoding, pts=7 + packet.pts * step, flags=flags,
                    data=bytes(packet),
                )
            )  # fmt: skip
    return found


def shown(video: Video, sent: list[Any]) -> dict[str, int]:
    """Give the brightness of each picture by its header."""
    return {header: round(float(image.mean())) for packet in sent for header, image in video.pictures(packet)}


@pytest.mark.parametrize("encoding", ["libx264", "h264", "h264;yuv420p;bgr8;bgr8"])
def test_each_picture_has_its_own_header(encoding: str) -> None:
    found = shown(Video(), packets(8, encoding=encoding))
    assert found == {f"header {number}": pytest.approx(40 + 10 * number, abs=4) for number in range(8)}


def test_a_stream_that_is_joined_late_begins_at_its_next_key_picture() -> None:
    assert list(shown(Video(), packets(8)[2:])) == ["header 5", "header 6", "header 7"]


def test_after_a_lost_packet_nothing_is_shown_until_the_next_key_picture() -> None:
    video, sent = Video(), packets(8)
    assert len(shown(video, sent[:2])) == 2
    with pytest.raises(ImageError, match="lost_packets: 1 packets of the video are lost"):
        shown(video, [sent[3]])
    assert list(shown(video, sent[4:])) == ["header 5", "header 6", "header 7"]


def test_packets_that_are_numbered_by_time_are_not_taken_for_lost() -> None:
    assert len(shown(Video(), packets(8, step=33_000_000))) == 8


def test_a_damaged_packet_is_refused_and_the_next_key_picture_is_shown() -> None:
    video, sent = Video(), packets(8)
    sent[0].data = b"\0\0\1\x65" + b"\xff" * 20
    with pytest.raises(ImageError) as refused:
        shown(video, sent[:1])
    assert refused.value.reason == "undecodable"
    assert list(shown(video, sent[1:])) == ["header 5", "header 6", "header 7"]


def test_a_stream_without_key_pictures_is_told() -> None:
    video, sent = Video(), packets(2, key_every=100)[1]
    for number in range(PATIENCE - 1):
        sent.pts = number
        assert not shown(video, [sent])
    with pytest.raises(ImageError, match="no key picture among 60 packets"):
        shown(video, [sent])


def test_codecs_are_known_by_their_names_and_others_are_refused() -> None:
    names = {"libx264": "h264", "h264_nvenc": "h264", "hevc_vaapi": "hevc", "libx265": "hevc", "libsvtav1": "av1"}
    assert {name: codec_of(name) for name in names} == names
    with pytest.raises(ImageError, match="video as 'theora' is none of"):
        codec_of("theora")

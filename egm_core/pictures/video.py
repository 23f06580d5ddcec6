"""Decodes packets of a video stream, as `ffmpeg_image_transport` sends them, one by one and in their order; by PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from egm_core.pictures.messages import RGB, ImageError

# Of a packet's flags: it needs no other.
KEY = 1
# Pictures that a decoder may hold back; what is asked for later is lost.
HELD = 64
# After so many packets without a picture that is told.
PATIENCE = 60
# What a packet's encoding may be called, by a part of it: the codec, or an encoder such as libx264 or hevc_nvenc.
CODECS = {"264": "h264", "265": "hevc", "hevc": "hevc", "av1": "av1", "vp8": "vp8", "vp9": "vp9", "mjpeg": "mjpeg"}


def codec_of(encoding: str) -> str:
    """Give the codec of a packet's encoding, such as `h264` or `libx264;yuv420p;bgr8`; ImageError where it is none."""
    first = encoding.partition(";")[0].lower()
    for part, codec in CODECS.items():
        if part in first:
            return codec
    raise ImageError(
        "unsupported_encoding", f"video as {encoding!r} is none of {', '.join(dict.fromkeys(CODECS.values()))}"
    )


class Video:
    """One stream; it begins at a key packet, and again at the next one after packets were lost or damaged.

    A packet is anything with the fields of ffmpeg_image_transport_msgs/FFMPEGPacket.
    """

    def __init__(self) -> None:
        import av

        self._av = av
        self._encoding = ""
        self._codec: Any = None
        self._headers: dict[int, Any] = {}
        self._last: int | None = None
        self._counted = False
        self._skipped = 0

    def pictures(self, packet: Any) -> Iterator[tuple[Any, RGB]]:
        """Give the pictures that are ready with this packet, each with its own packet's header.

        Raises ImageError with the reason unsupported_encoding, lost_packets, no_key_picture or undecodable; the stream
        goes on.
        """
        if packet.encoding != self._encoding:
            self._stop()
            self._encoding = packet.encoding
        pts, key = int(packet.pts), bool(packet.flags & KEY)
        lost = self._lost(pts)
        if key and self._codec is None:
            self._codec = self._av.CodecContext.create(codec_of(packet.encoding), "r")
            self._codec.thread_count = 1
        elif lost and not key and self._codec is not None:
            self._stop()
            raise ImageError("lost_packets", f"{lost} packets of the video are lost; waits for the next key picture")
        if self._codec is None:
            self._skipped += 1
            if self._skipped == PATIENCE:
                raise ImageError(
                    "no_key_picture",
                    f"no key picture among {PATIENCE} packets of the video; lower the encoder's gop_size",
                )
            return
        self._skipped = 0
        self._headers[pts] = packet.header
        while len(self._headers) > HELD:
            del self._headers[next(iter(self._headers))]
        try:
            yield from self._decoded(bytes(packet.data), pts)
        except self._av.error.FFmpegError as error:
            self._stop()
            raise ImageError("undecodable", f"a packet of the video ({packet.encoding}): {error.strerror}") from error

    def _decoded(self, data: bytes, pts: int) -> Iterator[tuple[Any, RGB]]:
        packet = self._av.Packet(data)
        packet.pts = packet.dts = pts
        for frame in self._codec.decode(packet):
            header = self._headers.pop(frame.pts, None)
            if header is not None:
                yield header, np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)

    def _lost(self, pts: int) -> int:
        """Say how many packets are missing before this one, where they are counted; some drivers give times."""
        gap = pts - self._last if self._last is not None else 0
        self._last, self._counted = pts, self._counted or gap == 1
        return gap - 1 if self._counted and gap > 1 else 0

    def _stop(self) -> None:
        """Begin anew at the next key packet."""
        self._codec, self._last = None, None
        self._headers.clear()

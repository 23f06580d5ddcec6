"""The topics of one camera: where its pictures, depth and boxes are, as the nodes see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from egm_ros.launching.arguments import topic_name

# Streams of image_transport that no node here reads.
FOREIGN = ("compressedDepth", "theora", "ffmpeg", "zstd", "draco")
# Those among them that hold pictures which the plugin of that name makes plain again.
REPUBLISHED = ("theora", "ffmpeg", "zstd")


@dataclass(frozen=True)
class Topics:
    """The topics that the arguments name, for a camera; an empty name is the only camera's."""

    texts: Mapping[str, str]
    camera: str
    transport: str

    @property
    def own_image(self) -> str:
        """The grounding node's own name for the image topic."""
        return f"{self.camera}/image" if self.camera else "image"

    @property
    def image(self) -> str:
        """The image topic: of compressed images compressed_image, or <image>/compressed; of a video <image>/ffmpeg."""
        given = self.texts.get("compressed_image", "")
        plain = self._of("image")
        kind, last = plain.rpartition("/")[2], self.transport if self.transport != "raw" else ""
        if kind in FOREIGN and kind != last:
            back = f"; `ros2 run image_transport republish {kind} raw` makes those" if kind in REPUBLISHED else ""
            video = ", or pass transport:=ffmpeg as well" if kind == "ffmpeg" else ""
            raise ValueError(
                f"image: {plain} is a stream of the kind {kind}, which no node here reads so: give the topic"
                f" of plain images, or with transport:=compressed that of JPEG or PNG{video}{back}"
            )
        if given and last != "compressed":
            raise ValueError("compressed_image: does nothing without transport:=compressed")
        if kind == "compressed" and not last:
            raise ValueError(f"image: {plain} has compressed images: pass transport:=compressed as well")
        if given:
            return self._of("compressed_image")
        # An OAK calls its video so, too.
        return plain if not last or kind in (last, "compressed") else f"{plain}/{last}"

    @property
    def outer_image(self) -> str:
        """The image topic as a follower sees it."""
        return self._outer(self.image)

    @property
    def depth(self) -> str:
        """The depth topic as a follower sees it."""
        plain = self._of("depth")
        kind = plain.rpartition("/")[2]
        if kind in FOREIGN and kind != "compressedDepth":
            raise ValueError(
                f"depth: {plain} is a stream of the kind {kind}, which no node here reads: give the topic of raw depth,"
                " or that of compressedDepth"
            )
        return self._outer(plain)

    @property
    def camera_info(self) -> str:
        """The camera_info topic as a follower sees it."""
        return self._outer(self._of("camera_info"))

    @property
    def instruction(self) -> str:
        """The instruction topic; it is the same for all cameras."""
        return topic_name("instruction", self.texts.get("instruction") or "instruction")

    @property
    def refresh(self) -> str:
        """Where the grounding node is asked to ask anew."""
        return self._outer(f"grounding/{self.camera}/refresh" if self.camera else "grounding/refresh")

    @property
    def answers(self) -> dict[str, str]:
        """The grounding node's topics, for a follower in the namespace of a camera's name."""
        if not self.camera:
            return {}
        boxes = {f"grounding/{kind}": self._outer(f"grounding/{self.camera}/{kind}") for kind in ("visible", "amodal")}
        active = self._outer(f"grounding/{self.camera}/instruction_active")
        return boxes | {"grounding/instruction_active": active, "grounding/status": self._outer("grounding/status")}

    @property
    def carried(self) -> dict[str, str]:
        """The propagation node's boxes instead of the answers'."""
        return {f"grounding/{kind}": f"propagation/{kind}" for kind in ("visible", "amodal")}

    def _of(self, name: str) -> str:
        """Give the topic that an argument names: {camera} in it, or front/ before it, says whose it is."""
        text = self.texts.get(name) or name
        if self.camera and "{camera}" not in text:
            if text.startswith("/"):
                raise ValueError(
                    f"{name}: {text} is one topic for several cameras; write it as in /{{camera}}/{name}_raw"
                )
            text = f"{self.camera}/{text}"
        return topic_name(name, text.replace("{camera}", self.camera) if self.camera else text)

    def _outer(self, name: str) -> str:
        """Give a name as seen from the namespace that the grounding node is in."""
        if not self.camera or name.startswith("/"):
            return name
        return "/" + "/".join(filter(None, (self.texts["namespace"].strip("/"), name)))

"""Writes a recording again, every message as it stands, with boxes on new topics beside them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from egm_core.pictures.draw import NOW_AMODAL, NOW_VISIBLE
from egm_core.pictures.messages import ImageError
from egm_core.propagation import Limits
from egm_core.propagation.small_frames import small_frame
from egm_core.recordings import messages as kinds
from egm_core.recordings.answers import Answered, Answers
from egm_core.recordings.by_rosbags import QOS
from egm_core.recordings.cameras import Camera
from egm_core.recordings.carrying import Carrying
from egm_core.recordings.entries import Beside, Channel, Message, Overview
from egm_core.recordings.looking import Looking, Picture
from egm_core.recordings.mcap.records import METADATA, Bytes
from egm_core.recordings.mcap.writer import Writer
from egm_core.recordings.messages import Head, Messages, Shown
from egm_core.recordings.recording import ZSTD, Recording

NODE = "/grounding"
# What rosbag2 calls its own description of a recording.
DESCRIPTION = "rosbag2"
# Of each reason, so many pictures are named.
NAMED = 3


@dataclass(frozen=True)
class Names:
    """The topics of a camera's boxes, as the nodes call them; `within` is put before all of them."""

    camera: str
    within: str = ""

    @property
    def all(self) -> tuple[str, ...]:
        """All topics that are written for the camera."""
        grounding, own = f"{self.within}{NODE}", f"{self.within}{self._own}"
        return (
            f"{grounding}{self._own}/visible", f"{grounding}{self._own}/amodal",
            f"{own}/propagation/visible", f"{own}/propagation/amodal", f"{own}/overlay/annotations",
        )  # fmt: skip

    @property
    def shared(self) -> tuple[str, str]:
        """The topics that cameras share: the status, and the lines that are asked."""
        return f"{self.within}{NODE}/status", f"{self.within}{NODE}/instruction_active"

    @property
    def _own(self) -> str:
        return f"/{self.camera}" if self.camera else ""


@dataclass
class Tally:
    """What was seen of each camera's pictures while they were written; `named` has some that could not be read."""

    pictures: Counter[str] = field(default_factory=Counter)
    unread: Counter[str] = field(default_factory=Counter)
    named: dict[str, list[str]] = field(default_factory=dict)
    older: Counter[str] = field(default_factory=Counter)
    back: Counter[str] = field(default_factory=Counter)
    clockless: set[str] = field(default_factory=set)
    lost: Counter[str] = field(default_factory=Counter)
    shown: int = 0

    def trouble(self, picture: Picture, reason: str) -> None:
        """Count a picture that could not be read."""
        self.unread[reason] += 1
        named = self.named.setdefault(reason, [])
        if len(named) < NAMED:
            named.append(f"{picture.camera.topic} at {picture.entry.log_time / 1e9:.3f} s")


def clash(overview: Overview, cameras: Sequence[Camera], within: str) -> None:
    """Refuse topics that the recording has already: boxes of two origins could not be told apart."""
    new = {topic for camera in cameras for topic in (*Names(camera.name, within).all, *Names("", within).shared)}
    there = sorted(new & {channel.topic for channel in overview.channels})
    if there:
        raise ValueError(
            f"the recording has topics of these names already: {', '.join(there)}; put the new ones elsewhere with"
            " --namespace, such as --namespace again"
        )


class Writing:
    """Writes the entries of a recording one after the other, and behind each picture what is known of it."""

    def __init__(
        self,
        writer: Writer,
        messages: Messages,
        cameras: Sequence[Camera],
        lines: Sequence[str],
        answers: Answers,
        limits: Limits,
        width: int,
        within: str = "",
    ) -> None:
        self._writer, self._lines, self._answers, self._width = writer, lines, answers, width
        self._numbers = {line: number for number, line in enumerate(lines, 1)}
        self._looking = Looking(cameras)
        self._messages = messages
        self._cameras = {camera.name: _Outlet(self._messages, Names(camera.name, within)) for camera in cameras}
        self._carrying = {camera.name: Carrying(limits) for camera in cameras}
        status, active = Names("", within).shared
        self._status = self._messages.channel(status, kinds.STATUS, 1, latched=True)
        self._active = self._messages.channel(active, kinds.TEXT, 1, latched=True)
        self._begun = False
        self._states: dict[tuple[str, str], dict[str, object]] = {}
        self.tally = Tally()

    def write(self, entry: Message) -> None:
        """Write a message as it stands; behind a picture, its boxes."""
        self._writer.write(entry)
        picture = self._looking.at(entry)
        if picture is None:
            return
        if not self._begun:
            self._begun = True
            self._add(self._active, entry, self._messages.text("\n".join(self._lines)))
        camera, tally = picture.camera, self.tally
        tally.pictures[camera.topic] += 1
        answers = self._answers.of(camera.topic, picture.number)
        if picture.still is None:
            tally.trouble(picture, "undecodable")
            return
        head = Head(picture.still.stamp, picture.still.frame_id)
        if answers:
            self._tell(picture, head, answers)
        self._carry(picture, head, answers)

    def end(self) -> Tally:
        """Give what was counted."""
        for carrying in self._carrying.values():
            self.tally.lost += carrying.lost
        return self.tally

    def _carry(self, picture: Picture, head: Head, answers: Mapping[str, Answered]) -> None:
        camera, tally, carrying = picture.camera, self.tally, self._carrying[picture.camera.name]
        assert picture.still is not None
        had = bool(carrying.carried)
        if picture.seen.anew:
            tally.back[camera.topic] += picture.seen.back > 0
            carrying.forget()
        if picture.seen.moment != picture.still.stamp:
            tally.clockless.add(camera.topic)
        try:
            frame = small_frame(picture.still.message, self._width)
        except ImageError as error:
            tally.trouble(picture, error.reason)
            return
        if not carrying.step(frame, picture.seen, answers, self._numbers):
            tally.older[camera.topic] += 1
            return
        shown = [entry.shown for entry in carrying.carried]
        if shown or had or answers:
            tally.shown += len(shown)
            outlet = self._cameras[camera.name]
            for channel, data in outlet.now(head, shown):
                self._add(channel, picture.entry, data)

    def _tell(self, picture: Picture, head: Head, answers: Mapping[str, Answered]) -> None:
        """Write the answers about a picture, and a status for each."""
        said = {line: answer for line, answer in answers.items() if answer.outcome != "error"}
        outlet = self._cameras[picture.camera.name]
        numbers = [self._numbers[line] for line in said]
        for line, answer in answers.items():
            state = {"seq": self._numbers[line], "instruction": line, "state": answer.outcome}
            self._states[picture.camera.name, line] = {**state, "reason": answer.reason, "stamp": head.text}
        if said:
            shown = [
                Shown(f"{self._numbers[line]}:{place}", line, pair.visible, pair.amodal, pair.score, pair.amodal_score)
                for line, answer in said.items()
                for place, pair in enumerate(answer.pairs)
            ]
            for channel, data in outlet.answered(head, shown):
                self._add(channel, picture.entry, data)
        targets = [
            self._states.get((picture.camera.name, line))
            or {"seq": number, "instruction": line, "state": "not_asked", "reason": "", "stamp": ""}
            for line, number in self._numbers.items()
        ]
        for line, answer in answers.items():
            values = {
                "seq": self._numbers[line],
                "stamp": head.text,
                "camera": picture.camera.name,
                "outcome": answer.outcome,
                "reason": answer.reason,
                "instruction": line,
                "visible_topic": outlet.names.all[0],
                "answered": json.dumps(numbers),
                "targets": json.dumps(targets, ensure_ascii=False),
                **answer.values,
            }
            text = ": ".join(filter(None, (answer.reason or answer.outcome, " ".join(answer.detail.split()))))
            level = kinds.LEVELS[answer.outcome]
            self._add(self._status, picture.entry, self._messages.status(level, NODE, text, values))

    def _add(self, channel: Channel, entry: Message, data: bytes) -> None:
        """Write a message of our own, at the time of the picture that it is about."""
        self._writer.write(Message(channel, entry.log_time, entry.log_time, data))


class _Outlet:
    """The channels of one camera's boxes."""

    def __init__(self, made: Messages, names: Names) -> None:
        self._made, self.names = made, names
        *boxes, drawn = names.all
        self._boxes = [made.channel(topic, kinds.BOXES) for topic in boxes]
        self._drawn = made.channel(drawn, kinds.ANNOTATIONS)

    def answered(self, head: Head, shown: Sequence[Shown]) -> Iterator[tuple[Channel, bytes]]:
        yield self._boxes[0], self._made.boxes(head, shown, amodal=False)
        yield self._boxes[1], self._made.boxes(head, shown, amodal=True)

    def now(self, head: Head, shown: Sequence[Shown]) -> Iterator[tuple[Channel, bytes]]:
        yield self._boxes[2], self._made.boxes(head, shown, amodal=False)
        yield self._boxes[3], self._made.boxes(head, shown, amodal=True)
        yield self._drawn, self._made.annotations(head, shown, (NOW_VISIBLE, NOW_AMODAL))


def in_numbers(overview: Overview, recording: Recording) -> bool:
    """Tell whether a recording writes its qualities of service in numbers, as before Jazzy, rather than in words."""
    told = [value for channel in overview.channels for name, value in channel.metadata if name == QOS and value]
    if not told:
        return recording.files[0].name.removesuffix(ZSTD).endswith(".db3")
    return any(re.search(r"\bhistory['\"]?:\s*\d", value) for value in told)


def name_of(beside: Beside) -> str:
    """Give the name of a record of metadata; empty for an attachment."""
    return Bytes(beside.content).text() if beside.code == METADATA else ""

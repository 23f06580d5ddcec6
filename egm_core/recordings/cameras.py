"""Which cameras of a recording are asked about, and what they are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from egm_core.arguments import meant
from egm_core.pictures.messages import ImageError, decode
from egm_core.recordings.entries import Message, Overview
from egm_core.recordings.pictures import Stills, Unreadable, is_picture, video_of
from egm_core.recordings.recording import Recording

ALL = "all"
COMPRESSED = "/compressed"
# What the overlay node publishes: a camera's images with boxes drawn into them.
_OVERLAY = re.compile(r"(?:^|/)overlay/image(?:/compressed)?$")
# Messages of a topic that are looked at to learn whether it holds colour.
PEEKED = 3


@dataclass(frozen=True)
class Camera:
    """A topic of images, and what the topics of its boxes call it; empty for the only one."""

    topic: str
    name: str = ""


def overlays(topics: Iterable[str]) -> list[str]:
    """Give the topics, by their names, of images into which the overlay drew boxes: what they show is no camera's."""
    return [topic for topic in topics if _OVERLAY.search(topic)]


def chosen(
    recording: Recording, overview: Overview, wanted: Sequence[str], tell: Callable[[str], None]
) -> tuple[Camera, ...]:
    """Choose topics: those that are wanted, all of them, or the only one; ValueError lists what there is.

    An overlay's images are taken where they are named, and `tell` says if they are left out.
    """
    there = list(_topics(overview))
    drawn = overlays(there)
    there = [topic for topic in there if topic not in drawn] + drawn
    if wanted and ALL not in wanted:
        for topic in wanted:
            if topic not in there:
                raise ValueError(
                    f"--topic: {recording.path} has no images on {topic!r}{meant(topic, there)}; there are"
                    f" {', '.join(there) or _none(overview)}"
                )
        return named(list(dict.fromkeys(wanted)))
    if not there:
        raise ValueError(f"{recording.path} has no images: {_none(overview)}")
    if len(drawn) == len(there):
        raise ValueError(
            f"{recording.path} has no camera's images, only an overlay's, with boxes drawn into them:"
            f" {', '.join(drawn)}; take them all the same with --topic"
        )
    if drawn:
        tell(f"the overlay's images, {', '.join(drawn)}, are not asked about: boxes are drawn into them")
        there = there[: -len(drawn)]
    colour = [there[0]] if len(there) == 1 else _colour(recording, there)
    if not colour:
        raise ValueError(
            f"{recording.path} has no topic whose images are colour or grey and can be read, among {', '.join(there)}"
        )
    # A picture and its compressed twin are of one camera.
    twins = {topic + COMPRESSED for topic in colour}
    cameras = [topic for topic in colour if topic not in twins]
    if len(cameras) > 1 and not wanted:
        raise ValueError(
            f"{recording.path} has {len(cameras)} cameras: {', '.join(cameras)}; choose with --topic, once for each, or"
            f" take them all with --topic {ALL}"
        )
    return named(cameras)


def named(topics: Sequence[str]) -> tuple[Camera, ...]:
    """Call each camera by the part of its topic that the others do not share."""
    if len(topics) == 1:
        return (Camera(topics[0]),)
    parts = [topic.strip("/").split("/") for topic in topics]
    shortest = min(map(len, parts))
    front = next((at for at in range(shortest) if len({part[at] for part in parts}) > 1), shortest)
    back = next((at for at in range(shortest - front) if len({part[-1 - at] for part in parts}) > 1), shortest - front)
    names = [_name(part[front : len(part) - back]) for part in parts]
    if "" in names or len(set(names)) < len(names):
        names = [_name(part) for part in parts]
    return tuple(Camera(topic, name) for topic, name in zip(topics, names, strict=True))


def _name(parts: Sequence[str]) -> str:
    name = re.sub(r"[^A-Za-z0-9]+", "_", "_".join(parts)).strip("_")
    return f"camera_{name}" if name[:1].isdigit() else name


def _topics(overview: Overview) -> dict[str, None]:
    """List the topics of images that have any; where nobody counted, all of them."""
    return {
        channel.topic: None
        for channel in overview.channels
        if is_picture(channel) and (overview.counts.get(channel.topic) or not overview.counted)
    }


def _none(overview: Overview) -> str:
    videos = {channel.topic: video_of(channel) for channel in overview.channels if video_of(channel)}
    if videos:
        told = ", ".join(f"{topic} ({kind})" for topic, kind in videos.items())
        return f"only video, {told}, of which no image stands alone; record the camera's images, or convert it"
    return f"its topics are {', '.join(dict.fromkeys(channel.topic for channel in overview.channels)) or 'none'}"


def _colour(recording: Recording, topics: Collection[str]) -> list[str]:
    """Find the topics whose images are no depth, by the first of them."""
    left, stills, colour = dict.fromkeys(topics, PEEKED), Stills(), []
    for entry in recording.entries(lambda said: None):
        if not isinstance(entry, Message) or entry.channel.topic not in left:
            continue
        topic = entry.channel.topic
        left[topic] -= 1
        try:
            decode(stills.read(entry).message, quick=True)
        except (Unreadable, ImageError):
            if not left[topic]:
                del left[topic]
        else:
            colour.append(topic)
            del left[topic]
        if not left:
            break
    return [topic for topic in topics if topic in colour]

"""What a recording holds: its topics, their messages as they stand, and what lies beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Schema:
    """A message's definition: its name, how the definition is written, and the definition."""

    name: str
    encoding: str = ""
    data: bytes = b""


@dataclass(frozen=True)
class Channel:
    """A topic as one publisher had it: messages of `schema`, written as `encoding` says, and what is known of it."""

    topic: str
    schema: Schema | None
    encoding: str
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> str:
        """The name of its messages' type; empty where the recording does not say it."""
        return self.schema.name if self.schema is not None else ""


@dataclass(frozen=True)
class Message:
    """One message, undecoded; times are nanoseconds."""

    channel: Channel
    log_time: int
    publish_time: int
    data: bytes
    sequence: int = 0


@dataclass(frozen=True)
class Beside:
    """An attachment or a record of metadata: its operation code, and its content as it stands."""

    code: int
    content: bytes


Entry = Channel | Message | Beside


@dataclass(frozen=True)
class Overview:
    """What a recording says of itself before it is read: its channels, and how many messages each has.

    `counted` is False where it was cut off before it could say that.
    """

    profile: str
    channels: tuple[Channel, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    counted: bool = True

    @property
    def messages(self) -> int:
        """Number of messages of all topics."""
        return sum(self.counts.values())

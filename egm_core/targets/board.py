"""What is to be asked of which camera: targets with their numbers, those of all cameras and those of one alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple


@dataclass(frozen=True)
class Target:
    """One line of an instruction, verbatim, with its own number.

    The epoch is that of the switches: what was asked before one of them was turned is void.
    """

    epoch: int
    sequence: int
    instruction: str


class Place(NamedTuple):
    """A target before a camera: what is asked, answered and counted for itself."""

    camera: str
    target: Target


@dataclass(frozen=True)
class Board:
    """The targets in force: `common` for every camera, but for those that have their `own`.

    `newest` is the last number that was given; each change takes at least one.
    """

    common: tuple[Target, ...] = ()
    own: Mapping[str, tuple[Target, ...]] = field(default_factory=dict)
    newest: int = 0
    epoch: int = 0

    def of(self, camera: str) -> tuple[Target, ...]:
        """Give a camera's targets."""
        return self.own.get(camera, self.common)

    def holds(self, place: Place) -> bool:
        """Tell whether a target is in force before a camera."""
        return place.target in self.of(place.camera)

    def instructed(self, lines: Sequence[str], camera: str = "") -> Board:
        """Take these lines for a camera (empty: those of all); a line that stays keeps its number.

        Without a line, a camera has those of all again. The same lines change nothing.
        """
        before = self.own.get(camera, ()) if camera else self.common
        if tuple(lines) == tuple(target.instruction for target in before):
            return self
        kept = {target.instruction: target for target in before}
        newest, targets = self.newest, []
        for line in lines:
            if line not in kept:
                newest += 1
                kept[line] = Target(self.epoch, newest, line)
            targets.append(kept[line])
        # A change that only takes away is one, too.
        newest = max(newest, self.newest + 1)
        if not camera:
            return replace(self, common=tuple(targets), newest=newest)
        own = {name: held for name, held in self.own.items() if name != camera}
        return replace(self, own=own | ({camera: tuple(targets)} if targets else {}), newest=newest)

    def forgotten(self) -> Board:
        """Take every target away, those of single cameras, too."""
        if not self.common and not self.own:
            return self
        return replace(self, common=(), own={}, newest=self.newest + 1)

    def switched(self) -> Board:
        """Begin a new epoch with the same targets: what was asked of them is void."""
        epoch = self.epoch + 1

        def renewed(targets: tuple[Target, ...]) -> tuple[Target, ...]:
            return tuple(replace(target, epoch=epoch) for target in targets)

        own = {camera: renewed(targets) for camera, targets in self.own.items()}
        return replace(self, common=renewed(self.common), own=own, epoch=epoch)


def places(board: Board, cameras: Sequence[str]) -> tuple[Place, ...]:
    """List the targets before each of the cameras."""
    return tuple(Place(camera, target) for camera in cameras for target in board.of(camera))

"""What is to be asked now: the targets of each camera, and whether anything is to be asked at all."""

from __future__ import annotations

from collections.abc import Sequence

from egm_core.targets.board import Board, Place, Target, places
from egm_core.targets.lines import written

NOTHING = Target(0, 0, "")
# So many lines that are asked no more are kept in mind: what is said of one of them may come a little late.
ENDED = 64


class Orders:
    """Keeps the instructions and the switches; a change of lines voids what is asked about those that go, a switch all.

    `void` says why the last change was made.  One thread only (the executor's) may touch it: then a result can be
    compared with what is in force and published without anything changing in between.
    """

    def __init__(self, default: Sequence[str], cameras: Sequence[str] = ("",)) -> None:
        self.board = Board()
        self.changes = 0
        self.void = ""
        self.enabled = True
        self.active = False
        self._cameras = tuple(cameras)
        self._switch = ""
        self._instructed = False
        self._ended: dict[tuple[str, str], None] = {}
        self.set_default(default)

    @property
    def serving(self) -> bool:
        """Whether there is something to ask."""
        return bool(self.places)

    @property
    def places(self) -> tuple[Place, ...]:
        """What is to be asked now, of which camera."""
        return self.known if self.active and self.enabled else ()

    @property
    def known(self) -> tuple[Place, ...]:
        """What is to be asked of which camera, whether or not it is switched off."""
        return places(self.board, self._cameras)

    @property
    def once(self) -> tuple[Place, ...]:
        """What would be asked if nothing were switched off; an empty instruction where a camera has none."""
        return tuple(
            Place(camera, target) for camera in self._cameras for target in self.board.of(camera) or (NOTHING,)
        )

    @property
    def instruction(self) -> str:
        """The lines for all cameras."""
        return written(target.instruction for target in self.board.common)

    @property
    def sequence(self) -> int:
        """The last number that was given."""
        return self.board.newest

    def served(self, camera: str = "") -> str:
        """Give the lines that are asked now of a camera; without a name, those for all."""
        targets = self.board.of(camera) if self.active and self.enabled else ()
        return written(target.instruction for target in targets)

    def void_of(self, place: Place) -> str:
        """Say why what was asked is void by now; empty if it is not."""
        if self.board.holds(place):
            return ""
        return self._switch if place.target.epoch != self.board.epoch else "instruction_changed"

    def line_of(self, place: Place) -> int:
        """Tell the number of a target among its camera's lines, from 1; 0 where it is not among them any more."""
        targets = self.board.of(place.camera)
        return targets.index(place.target) + 1 if place.target in targets else 0

    def ended(self, camera: str, text: str) -> bool:
        """Tell whether a text is a line that a camera was asked about, and is not any more."""
        return (camera, text) in self._ended

    def meant(self, camera: str, text: str) -> tuple[Place, ...]:
        """Give what a refresh of a camera is about: the target of that line, none if it has ended, or else all."""
        own = tuple(place for place in self.places if place.camera == camera)
        named = tuple(place for place in own if place.target.instruction == text)
        return named or (() if self.ended(camera, text) else own)

    def instruct(self, lines: Sequence[str], camera: str = "") -> bool:
        """Take lines verbatim (none: stop); those in force again change nothing and return False.

        For one camera none means those for all.
        """
        self._instructed = self._instructed or not camera
        return self._changed(self.board.instructed(lines, camera), "instruction_changed")

    @property
    def instructed(self) -> bool:
        """Whether lines for all were given, which the default ones wait behind."""
        return self._instructed

    def set_default(self, lines: Sequence[str]) -> bool:
        """Take the default lines, which hold until some were given; say whether that changes anything."""
        return not self._instructed and self._changed(self.board.instructed(lines), "instruction_changed")

    def reset(self, default: Sequence[str]) -> bool:
        """Forget what was given, to single cameras too, and go back to the default; always with new numbers."""
        self._instructed = False
        bare = self.board.forgotten()
        if bare is self.board and not default:
            return False
        self._switch = "reset"
        return self._changed(bare.switched().instructed(default), "reset")

    def enable(self, enabled: bool) -> bool:
        """Allow or forbid asking."""
        return self._turned("enabled", enabled, "enabled" if enabled else "disabled")

    def activate(self, active: bool) -> bool:
        """Follow the node's lifecycle."""
        return self._turned("active", active, "activated" if active else "deactivated")

    def _turned(self, name: str, value: bool, void: str) -> bool:
        if getattr(self, name) == value:
            return False
        setattr(self, name, value)
        self._switch = void
        return self._changed(self.board.switched(), void)

    def _changed(self, board: Board, void: str) -> bool:
        if board is self.board:
            return False
        before, self.board, self.void = self.known, board, void
        self.changes += 1
        for name, target in before:
            self._ended[name, target.instruction] = None
        for name, target in self.known:
            self._ended.pop((name, target.instruction), None)
        while len(self._ended) > ENDED:
            del self._ended[next(iter(self._ended))]
        return True

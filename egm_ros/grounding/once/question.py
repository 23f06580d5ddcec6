"""What a goal of ~/ground and a request of ~/ground_image ask, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from egm_core.grounder.grounder import NO_WORDS, Grounding
from egm_core.grounder.reading import worded
from egm_ros.grounding.once.one_shot import failure
from egm_ros.interface.settings import GROUNDING, Settings

_LIMITS = {spec.name: spec for spec in GROUNDING if spec.name in ("deadline", "max_objects", "min_score")}


@dataclass(frozen=True)
class Question:
    """One question; `image` None means the camera's newest, and 0 what the node does by its parameters."""

    instruction: str
    camera: str = ""
    image: Any = None
    max_objects: int = 0
    deadline: float = 0.0
    min_score: float = 0.0

    @classmethod
    def of(cls, message: Any) -> Question:
        """Read a goal or a request."""
        image = message.image
        return cls(
            message.instruction,
            getattr(message, "camera", ""),
            image if len(image.data) or image.height or image.width or image.encoding else None,
            message.max_objects,
            message.deadline,
            message.min_score,
        )

    def on(self, settings: Settings) -> Settings:
        """Give the settings that this is answered by: those of the node, where it does not say otherwise."""
        return replace(
            settings,
            deadline=self.deadline or settings.deadline,
            max_objects=self.max_objects or settings.max_objects,
            min_score=self.min_score or settings.min_score,
            # Whoever gives an image knows how old it is.
            max_result_age=settings.max_result_age if self.image is None else 0.0,
        )

    def named(self, cameras: Collection[str]) -> str:
        """Give the name of the camera that is meant: the only one needs no name."""
        return next(iter(cameras)) if not self.camera and len(cameras) == 1 else self.camera

    def problem(self, settings: Settings) -> Grounding | None:
        """Say what is wrong with it, as an answer that is none; None where nothing is."""
        if not worded(self.instruction):
            return failure("no_instruction", NO_WORDS)
        if len(self.instruction.strip().splitlines()) > 1:
            return failure(
                "several_lines", "the instruction has several lines, and one is answered; ask for each line by itself"
            )
        for name, spec in _LIMITS.items():
            if told := spec.problem(getattr(self, name)):
                return failure(f"bad_{name}", f"{told}; 0 takes the node's own")
        if told := self.on(settings).contradiction():
            return failure("bad_deadline", told)
        if self.image is None and self.named(settings.cameras) not in settings.cameras:
            known = ", ".join(settings.cameras)
            if not self.camera:
                return failure("no_camera", f"the node has several cameras; name one of {known}, or give an image")
            there = f"the node has {known}" if known else "the node's only camera has no name, so leave it empty"
            return failure("unknown_camera", f"there is no camera {self.camera!r}; {there}")
        return None

"""How one picture is answered: decoded, put to the engines, and whatever goes wrong made a result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from egm_core.engines.base import EngineError
from egm_core.grounder.grounder import Grounder, Grounding, OutOfDomain
from egm_core.supervise.link import EngineLink
from egm_core.supervise.query import ask
from egm_core.targets.board import Place
from egm_ros.common.pictures import images
from egm_ros.grounding.asking.frames import Frame
from egm_ros.grounding.asking.outcomes import Result, outdated
from egm_ros.interface.settings import Settings

# Pictures beside those of the stream: a one-shot query, one that is left to run, and one that is being aborted.
SPARE = 3
# Seconds after which an engine whose process has ended is known to be dead.
DEATH_PATIENCE = 0.5
Heard = Callable[[Grounding], None]


class Answering:
    """Takes pictures their way, several at a time; everything runs on the event loop of who awaits it.

    `age_of` says how old a frame is by its stamp in seconds.
    """

    def __init__(self, links: Sequence[EngineLink], age_of: Callable[[Frame], float]) -> None:
        self._links = tuple(links)
        self._age_of = age_of
        self._grounder: tuple[tuple[object, ...], Grounder] | None = None

    async def answer(
        self, place: Place, frame: Frame, started: float, settings: Settings, heard: Heard | None = None
    ) -> Result:
        """Ask this about a picture, from `started` on (monotonic seconds); whatever goes wrong becomes a result.

        `heard` gets the first visible answer ahead of the rest.
        """
        waited = 1000.0 * (started - frame.arrived)
        result = Result(place.target, frame, started, waited, deadline=settings.deadline)
        try:
            return await self._asked(result, settings, heard)
        except Exception as error:  # the task's edge: whatever happened becomes a status
            return replace(result, reason="internal_error", detail=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Let go of the grounder; no answer may be awaited any more."""
        if self._grounder is not None:
            self._grounder[1].close()

    async def _asked(self, result: Result, settings: Settings, heard: Heard | None) -> Result:
        """Ask about a picture: one that is not too old already is decoded, and goes to the engines."""
        frame = result.frame
        if outdated(self._age_of(frame), settings):
            return replace(result, reason="max_result_age")
        try:
            image = await asyncio.get_running_loop().run_in_executor(None, images.decode, frame.message)
        except images.ImageError as error:
            return replace(result, reason="bad_image", detail=str(error))
        result = replace(result, size=(image.shape[1], image.shape[0]))
        try:
            grounding = await self._ask(image, result.target.instruction, settings.deadline, settings, heard)
        except EngineError as error:
            return replace(result, reason=await self._cause(error.reason), detail=error.detail)
        except ValueError as error:
            return replace(result, reason="refused", detail=str(error))
        if grounding.outcome == "error" and (cause := await self._cause(grounding.reason)) != grounding.reason:
            return replace(result, reason=cause, detail="the engine was lost during the query")
        return replace(result, grounding=grounding)

    async def _ask(
        self, picture: NDArray[np.uint8], words: str, deadline: float, settings: Settings, heard: Heard | None
    ) -> Grounding:
        """Ask the engines about a picture (H, W, 3 RGB): what is to be found, and in how many seconds from now.

        First without thinking, then with it where that is worth its time; without a deadline (0) as `reasoning` says.
        """
        return await ask(
            self._links,
            lambda pixels: self._grounder_for(replace(settings, max_pixels=pixels)),
            picture,
            words,
            settings.max_pixels,
            settings.query_timeout,
            deadline,
            heard,
            settings.max_objects,
        )

    async def _cause(self, reason: str) -> str:
        """Tell an engine that is dead, hangs or is being replaced from one that merely failed."""
        if not reason.startswith("engine"):
            return reason
        loop = asyncio.get_running_loop()
        causes = [await loop.run_in_executor(None, link.cause, DEATH_PATIENCE) for link in self._links]
        return next(filter(None, causes), reason)

    def _grounder_for(self, settings: Settings) -> Grounder:
        """Make a grounder for the engines and settings of now, or take the last one if they are the same."""
        models = [(link.engine, link.plan.info) for link in self._links]
        present = [(engine, info) for engine, info in models if engine is not None and info is not None]
        if len(present) < len(models):
            raise EngineError("engine_unreachable", "the engine went away")
        key = (
            *(id(engine) for engine, _ in present),
            settings.force_amodal,
            settings.max_pixels,
            settings.reasoning,
            settings.out_of_domain,
            settings.max_batch,
        )
        if self._grounder is None or self._grounder[0] != key:
            (engine, info), *others = present
            amodal_engine, amodal_info = others[0] if others else (None, None)
            self._grounder = (
                key,
                Grounder(
                    engine,
                    info,
                    amodal_engine=amodal_engine,
                    amodal_info=amodal_info,
                    force_amodal=settings.force_amodal,
                    max_pixels=settings.max_pixels or None,
                    reasoning=settings.reasoning,
                    out_of_domain=cast("OutOfDomain", settings.out_of_domain),
                    at_once=settings.max_batch + SPARE,
                    adapters=self._links[0].plan.asked,
                ),
            )
        return self._grounder[1]

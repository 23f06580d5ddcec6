"""A lane to the engines: decodes a frame, asks about it, and says what came of that."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

from egm_core.engines.base import EngineError
from egm_core.grounder.grounder import Grounder, OutOfDomain
from egm_core.supervise.link import EngineLink
from egm_core.supervise.query import ask
from egm_ros.common.pictures import images
from egm_ros.grounding.orders import Order
from egm_ros.grounding.outcomes import Result
from egm_ros.grounding.queries.mailbox import Frame
from egm_ros.interface.settings import Settings

DEATH_PATIENCE = 0.5


class Lane:
    """Asks one query at a time; it belongs to one thread, and keeps a grounder for the next query.

    `age_of` says how old a frame is by its stamp in seconds.
    """

    def __init__(self, links: Sequence[EngineLink], age_of: Callable[[Frame], float]) -> None:
        self._links = tuple(links)
        self._age_of = age_of
        self._grounder: tuple[tuple[object, ...], Grounder] | None = None

    def query(
        self, order: Order, frame: Frame, settings: Settings, started: float, cancel: threading.Event
    ) -> Result:
        """Ask what the order says about a frame; setting `cancel`, from another thread, aborts it."""
        result = Result(order, frame, started, 1000.0 * (started - frame.arrived))
        if settings.max_result_age and self._age_of(frame) > settings.max_result_age:
            return replace(result, reason="max_result_age")
        try:
            image = images.decode(frame.message)
        except images.ImageError as error:
            return replace(result, reason="bad_image", detail=str(error))
        result = replace(result, size=(image.shape[1], image.shape[0]))
        try:
            grounding = ask(self._links, lambda pixels: self._current_grounder(replace(settings, max_pixels=pixels)),
                            image, order.instruction, settings.max_pixels, settings.query_timeout, cancel)
        except EngineError as error:
            return replace(result, reason=self._cause(error.reason), detail=error.detail)
        except ValueError as error:
            return replace(result, reason="refused", detail=str(error))
        if grounding.outcome == "error":
            cause = self._cause(grounding.reason)
            if cause != grounding.reason:
                return replace(result, reason=cause, detail="the engine was lost during the query")
        return replace(result, grounding=grounding)

    def close(self) -> None:
        """Let go of the grounder."""
        if self._grounder is not None:
            self._grounder[1].close()
            self._grounder = None

    def _cause(self, reason: str) -> str:
        """Tell an engine that is dead, hangs or is being replaced from one that merely failed."""
        if not reason.startswith("engine"):
            return reason
        return next(filter(None, (link.cause(DEATH_PATIENCE) for link in self._links)), reason)

    def _current_grounder(self, settings: Settings) -> Grounder:
        """Make a grounder for the engines and settings of now, or take the last one if they are the same."""
        models = [(link.engine, link.plan.info) for link in self._links]
        present = [(engine, info) for engine, info in models if engine is not None and info is not None]
        if len(present) < len(models):
            raise EngineError("engine_unreachable", "the engine went away")
        key = (*(id(engine) for engine, _ in present), settings.force_amodal, settings.max_pixels, settings.reasoning,
               settings.out_of_domain)
        if self._grounder is None or self._grounder[0] != key:
            self.close()
            (engine, info), *others = present
            amodal_engine, amodal_info = others[0] if others else (None, None)
            self._grounder = key, Grounder(
                engine,
                info,
                amodal_engine=amodal_engine,
                amodal_info=amodal_info,
                force_amodal=settings.force_amodal,
                max_pixels=settings.max_pixels or None,
                reasoning=settings.reasoning,
                out_of_domain=cast("OutOfDomain", settings.out_of_domain),
            )
        return self._grounder[1]

"""Asks the engines about one picture, with a smaller one where memory ran out, and keeps their records."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from egm_core.grounder.grounder import Grounder, Grounding
from egm_core.grounder.several.wanted import ONE
from egm_core.supervise.link import EngineLink
from egm_core.supervise.policy import Event, out_of_memory

SMALLEST = 4096
# Seconds to a deadline that has passed already.
SOONEST = 1e-3
# Nobody waited for it, or health polls tell: the network, a server that was lost, a model that it does not have.
BLAMELESS = (
    "cancelled",
    "engine_request",
    "engine_closed",
    "engine_aborted",
    "engine_unreachable",
    "engine_timeout",
    "engine_not_ready",
    "engine_wrong_model",
    "deadline",
)
AMODAL_FAILED = "amodal_failed: "


async def ask(
    links: Sequence[EngineLink],
    grounder_of: Callable[[int], Grounder],
    image: NDArray[np.uint8],
    instruction: str,
    max_pixels: int,
    timeout: float,
    deadline: float = 0.0,
    heard: Callable[[Grounding], None] | None = None,
    max_objects: int = ONE,
) -> Grounding:
    """Ground an instruction in a picture (H, W, 3 uint8 RGB) within `timeout` seconds, see `Grounder.ask`.

    From `deadline` seconds on (0: none) the best that is there by then is the answer, see `Grounder.ask`.
    `grounder_of` makes a grounder for at most so many pixels, `max_pixels` at first (0: the model's own).  Where
    memory runs out, the query is repeated once with half of the pixels.  Each link, the visible model's first, is
    told what came of it, and `heard` the first visible answer as soon as it is there.  Cancelling the task aborts the
    query.
    """
    engines = [link.engine for link in links]
    began = time.monotonic()
    before = any(link.record.smaller for link in links)
    pixels = halved(links, image, max_pixels) if before else max_pixels
    grounding = await grounder_of(pixels).ask(image, instruction, timeout, deadline, heard, max_objects)
    repeated = False
    if not before and out_of_memory(trouble(grounding)):
        passed = time.monotonic() - began
        if timeout > passed:
            repeated = True
            smaller = grounder_of(halved(links, image, max_pixels))
            # Late already is soon enough for one without a thought.
            left = max(deadline - passed, SOONEST) if deadline else 0.0
            grounding = await smaller.ask(image, instruction, timeout - passed, left, heard, max_objects)
    if before or repeated:
        note = "out_of_memory: the picture was sent with half of its pixels"
        grounding = replace(grounding, warnings=(*grounding.warnings, note))
    for link, engine, amodal in zip(links, engines, (False, True), strict=False):
        event = event_of(grounding, amodal, repeated)
        if len(links) == 1 and event == "usable" and half_failed(grounding):
            event = "partial"
        if event is not None:
            link.observe(engine, event, trouble(grounding))
    return grounding


def halved(links: Sequence[EngineLink], image: NDArray[np.uint8], max_pixels: int) -> int:
    """Give half of the pixels that this picture would be sent with."""
    budgets = (
        [max_pixels]
        if max_pixels
        else [link.plan.info.max_pixels for link in links if link.plan.info is not None and link.plan.info.max_pixels]
    )
    return max(SMALLEST, min([int(image.shape[0] * image.shape[1]), *budgets]) // 2)


def trouble(grounding: Grounding) -> str:
    """Say what an engine complained of, the one for amodal boxes included; empty if none did."""
    if grounding.outcome == "error":
        return f"{grounding.reason}: {grounding.detail}"
    return "; ".join(warning for warning in grounding.warnings if warning.startswith(AMODAL_FAILED))


def half_failed(grounding: Grounding) -> bool:
    """Tell whether an engine that gave the visible answer failed at the amodal one, or refused it."""
    reason = trouble(grounding).removeprefix(AMODAL_FAILED).partition(":")[0] if grounding.outcome != "error" else ""
    return reason.startswith("engine_") and reason not in BLAMELESS


def event_of(grounding: Grounding, amodal: bool, repeated: bool) -> Event | None:
    """Judge what a query says of the engine for visible boxes, or for `amodal` ones; None: nothing.

    `repeated` says that the picture was made smaller because memory ran out.
    """
    failed = grounding.outcome == "error"
    if failed and amodal:
        # The visible box was missed first.
        return None
    complaint = trouble(grounding)
    if not failed and not (amodal and complaint):
        return "fitted" if repeated else "usable"
    reason = grounding.reason if failed else complaint.removeprefix(AMODAL_FAILED).partition(":")[0]
    if out_of_memory(complaint):
        return "no_memory"
    if reason == "timeout":
        return "late"
    if not reason.startswith("engine_") and reason not in BLAMELESS:
        return "unreadable"
    # What a server refuses, another process of it refuses as well.
    return None if reason in BLAMELESS or reason.startswith("engine_http_4") else "broken"

"""A server that answers what it is told, and a grounder that asks it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "engines"))
import misbehaving

from egm_core.engines.http.failures import Timeouts
from egm_core.engines.openai import OpenAIEngine
from egm_core.families import family
from egm_core.grounder.grounder import Grounder
from egm_core.models.folder import ModelInfo

BOTH = ModelInfo("told", "qwen3_vl", tasks=("visible", "amodal"))
SIZE = (200, 100)


def says(*boxes: tuple[float, ...] | None) -> str:
    """Write the raw answers (visible, amodal) of a Qwen model, as the server's behaviour."""
    speaker = family("qwen3_vl")
    return "says:" + "||".join(speaker.target("the mug", box, "Thought.", "visible") for box in boxes)  # type: ignore[arg-type]


def ground(server: misbehaving.Server, behaviour: str, image: NDArray[np.uint8], **options: Any) -> Any:
    info = options.pop("info", BOTH)
    call = {name: options.pop(name) for name in ("timeout",) if name in options}
    patience = Timeouts(connect=2, read=2, total=5)
    with OpenAIEngine(server.url, model=behaviour, dialect="openai", timeouts=patience) as engine:
        grounder = Grounder(engine, info, **options)
        try:
            return grounder.ground(image, "the mug", **call)
        finally:
            grounder.close()

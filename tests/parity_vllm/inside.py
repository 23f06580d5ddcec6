"""Runs vLLM in process, in vLLM's own environment, and writes what it answered: inside.py FOLDER OUT."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from questions import pictures, questions

from egm_core.engines import EngineError, Request, Sampling, collect
from egm_core.engines.vllm import VllmEngine


def main(folder: Path, out: Path) -> None:
    """Ask everything together and one by one, then what is wrong, what is given up, and a dead engine."""
    told: dict[str, Any] = {}
    began = time.monotonic()
    with VllmEngine(folder, "float32") as engine:
        told["state"] = engine.wait_ready(600).state
        told["loaded"] = time.monotonic() - began
        told["thinking"] = asdict(engine.thinking() or "")  # type: ignore[call-overload]
        told["together"] = [asdict(answer) for answer in engine.generate_batch(questions())]
        told["alone"] = [asdict(collect(engine.generate(request))) for request in questions()]
        first = questions()[0]
        told["too long"] = refused(engine, replace(first, id="long", prompt="word " * 3000))
        told["no grammar"] = refused(engine, replace(first, id="wrong", regex="((("))
        told["no template"] = refused(engine, replace(first, id="template", template={"tokenize": True}))
        stream = engine.generate(Request("stop", pictures()[0], "x", Sampling(max_tokens=900), regex="[a-z]{900}"))
        told["begun"] = asdict(next(stream))
        engine.abort("stop")
        told["stopped"] = asdict(collect(stream))
        told["after"] = asdict(collect(engine.generate(replace(first, id="after"))))
        kill_core()
        told["dead"] = refused(engine, replace(first, id="dead"))
        told["health"] = engine.health().state
    told["closed"] = refused(engine, replace(first, id="closed"))
    (out.parent / "config.json").write_text("{}")
    try:
        with VllmEngine(out.parent) as broken:
            broken.wait_ready(600)
    except EngineError as error:
        told["broken"] = [error.reason, error.detail]
    out.write_text(json.dumps(told))


def refused(engine: VllmEngine, request: Request) -> list[str]:
    """Ask, and give the error's reason and words; none where there was an answer."""
    try:
        collect(engine.generate(request))
    except EngineError as error:
        return [error.reason, error.detail]
    return []


def kill_core() -> None:
    """Kill the process that computes, as the system does when memory ends."""
    me = os.getpid()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().rsplit(")", 1)
        except OSError:
            continue
        if int(rest.split()[1]) == me and "EngineCor" in name:
            os.kill(int(stat.parent.name), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

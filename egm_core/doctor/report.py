"""Writes what was found and judged: for a reader, and as JSON for a bug report or a script."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from egm_core.doctor import libraries
from egm_core.doctor.facts import EngineFound, Facts, Server
from egm_core.doctor.jobs import Job
from egm_core.servers.machine import Gpu

WIDTH = 110


def text(facts: Facts, jobs: Sequence[Job]) -> str:
    """Write the machine, and below it the engines and each job, with OK or what it lacks and the remedy."""
    lines = ["This machine", *(f"  {name:14} {value}" for name, value in _machine(facts).items()), ""]
    lines += ["Engines (engine:=NAME, --engine NAME)", *(line for engine in facts.engines for line in _engine(engine))]
    lines += ["", "Jobs"]
    for job in jobs:
        lines.append(f"  {'OK' if job.works else 'lacks':6} {job.title}")
        for lack in job.lacks:
            lines += [*_wrapped(f"- {lack.what}"), *_wrapped(f"  {lack.remedy}", "> ")]
        lines += [line for note in job.notes for line in _wrapped(f"note: {note}")]
    return "\n".join(lines)


def as_json(facts: Facts, jobs: Sequence[Job]) -> dict[str, Any]:
    """Give the same as plain data."""
    judged = [{"name": job.name, "works": job.works, **asdict(job)} for job in jobs]
    return {"machine": asdict(facts), "jobs": judged}


def _machine(facts: Facts) -> dict[str, str]:
    ros = facts.ros
    engines = [
        f"{name} {facts.modules[name]}".strip()
        for name in ("torch", "transformers", "vllm")
        if facts.modules.get(name) is not None
    ]
    there = [
        f"{ros.distribution}" if ros.distribution else "not sourced",
        *([ros.middleware, f"profile {ros.profile or 'none'}"] if ros.distribution else []),
        f"domain {ros.domain}",
        *([f"discovery {ros.discovery}"] if ros.distribution else []),
    ]
    return {
        "Python": f"{facts.python} ({facts.executable})",
        "ROS 2": ", ".join(there),
        "GPU": ", ".join(map(_gpu, facts.gpus)) or "none",
        "platform": facts.platform or "unknown",
        "processor": f"{facts.cores} cores",
        "memory": f"{facts.memory_free:.1f} of {facts.memory:.1f} GiB free",
        "shared memory": f"{facts.shared_memory:.2f} GiB (/dev/shm)",
        "disk": f"{facts.disk_free:.1f} GiB free in {facts.disk_folder}",
        "engines": ", ".join(engines) or "none in this Python",
        "servers": ", ".join(map(_server, facts.servers)) or "none answer",
        "ports taken": ", ".join(map(str, facts.taken_ports)) or "none of the usual ones",
        "models": ", ".join([*(["egm_tiny (embedded)"] if facts.embedded else []), *facts.models]) or "none",
        "libraries": _libraries(facts),
    }


def _engine(engine: EngineFound) -> list[str]:
    """Write an engine that is there with its place and version; of one that is not, in one line what would help."""
    version = f" {engine.version}" if engine.version else ""
    lines = [f"  {'lacks' if engine.lacks else 'OK':6} {engine.name}{version} {engine.program}".rstrip()]
    for lack in engine.lacks:
        what, _, remedy = lack.partition("; ")
        lines += [*_wrapped(f"- {what}"), *_wrapped(f"  {remedy}", "> ")]
    return lines


def _gpu(gpu: Gpu) -> str:
    return f"{gpu.name} ({gpu.memory:g} GiB)" if gpu.memory else gpu.name


def _server(server: Server) -> str:
    return f"{server.address} ({', '.join(server.models) or 'loading'})"


def _libraries(facts: Facts) -> str:
    wanted = [name for names in libraries.EXTRAS.values() for name in names]
    missing = facts.lacking(*wanted)
    return f"{len(wanted) - len(missing)} of {len(wanted)}" + (f", without {', '.join(missing)}" if missing else "")


def _wrapped(words: str, mark: str = "") -> list[str]:
    indent = " " * 9
    # Commands stay whole: who copies one must not get a line break.
    if mark:
        return [f"{indent}{mark}{words.strip()}"]
    return textwrap.wrap(words, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_long_words=False)

"""Which of the engines by name are on this machine, and what each lacks."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from egm_core.doctor import libraries
from egm_core.doctor.facts import EngineFound
from egm_core.servers import checks
from egm_core.servers.known import SERVERS
from egm_core.servers.machine import Machine
from egm_core.servers.named import NamedServer


def found(machine: Machine, modules: Mapping[str, str | None], pythons: Sequence[str] = ()) -> tuple[EngineFound, ...]:
    """Look for every engine that can be started, on the PATH and beside some interpreters.

    `modules` maps a library of this Python to its version.
    """
    return tuple(_look(server, machine, modules, pythons) for server in SERVERS.values() if server.start is not None)


def _look(
    server: NamedServer, machine: Machine, modules: Mapping[str, str | None], pythons: Sequence[str]
) -> EngineFound:
    assert server.start is not None
    if not server.start.program:
        missing = [name for name in libraries.ENGINE if modules.get(name) is None]
        lack = (f"this Python lacks {', '.join(missing)}; {server.start.remedy}",) if missing else ()
        return EngineFound(server.name, "" if missing else "this Python", "", lack)
    places = [checks.found(server, python) for python in (*pythons, "")]
    nowhere = checks.Found(sought=", ".join(map(_told, pythons)) + ", nor on the PATH") if pythons else places[-1]
    there = next((place for place in places if place.program), nowhere)
    # Without a model only what holds for every one is judged.
    return EngineFound(server.name, there.program, there.version, tuple(checks.lacks(server, there, machine, "")))


def _told(python: str) -> str:
    return python if os.access(Path(python).expanduser(), os.X_OK) else f"{python} (nothing to run there)"

"""What was found on a machine. Judged by `jobs`, shown by `report`."""

from __future__ import annotations

from dataclasses import dataclass, field

from egm_core.servers.machine import Gpu


@dataclass(frozen=True)
class Ros:
    """The ROS 2 of this process: distribution (empty: none sourced), middleware, DDS profile and who is heard.

    `profile_missing` says that a variable names a profile file that is not there.
    """

    distribution: str = ""
    middleware: str = ""
    profile: str = ""
    profile_missing: bool = False
    domain: str = "0"
    discovery: str = "subnet"


@dataclass(frozen=True)
class Server:
    """A server that answered: its address, its models, and whether it is ready to be asked."""

    address: str
    models: tuple[str, ...]
    ready: bool


@dataclass(frozen=True)
class EngineFound:
    """An engine by its name: where its program is, its version, and what it lacks here, each with the remedy."""

    name: str
    program: str = ""
    version: str = ""
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """All that was found. Sizes are GiB; `modules` maps a library to its version (empty: unknown, None: missing)."""

    python: str
    executable: str
    checkout: str = ""
    modules: dict[str, str | None] = field(default_factory=dict)
    programs: tuple[str, ...] = ()
    cores: int = 1
    memory: float = 0.0
    memory_free: float = 0.0
    disk_folder: str = ""
    disk_free: float = 0.0
    shared_memory: float = 0.0
    gpus: tuple[Gpu, ...] = ()
    gpus_of_torch: int = 0
    egl: bool = False
    ros: Ros = Ros()
    servers: tuple[Server, ...] = ()
    taken_ports: tuple[int, ...] = ()
    embedded: bool = False
    models: tuple[str, ...] = ()
    platform: str = ""
    engines: tuple[EngineFound, ...] = ()

    def lacking(self, *names: str) -> list[str]:
        """Name those of some libraries that are missing."""
        return [name for name in names if self.modules.get(name) is None]

    @property
    def python_version(self) -> tuple[int, ...]:
        """The version of Python as numbers."""
        return tuple(int(part) for part in self.python.split(".")[:2])

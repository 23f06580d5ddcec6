"""What a user says of the engines: which models, where they are served, or how a server is started."""

from __future__ import annotations

from dataclasses import dataclass

from egm_core.engines.pictures import PictureFormat
from egm_core.families import Task

# Where adapters can be: the engine that is started with them, a server that has them, and a command of the user's.
ADAPTING = ("vllm", "url", "")


@dataclass(frozen=True)
class EngineSettings:
    """The choice of engines; the fields are named as the grounding node's parameters, which describe them.

    `engine_start_timeout` is in seconds.
    """

    model: str
    amodal_model: str = ""
    family: str = "auto"
    offline: bool = True
    engine_url: str = ""
    amodal_engine_url: str = ""
    engine_command: str = ""
    engine_python: str = ""
    engine_api_key_env: str = "OPENAI_API_KEY"
    engine_key_in_clear: tuple[str, ...] = ()
    engine_image_format: PictureFormat = "jpeg"
    engine_dialect: str = "auto"
    engine_start_timeout: float = 600.0
    engine: str = "auto"
    engine_precision: str = "auto"
    engine_memory_share: float = 0.0
    visible_adapter: str = ""
    amodal_adapter: str = ""

    @property
    def named(self) -> str:
        """The engine's name: auto is a server that runs, a command of the user's ("") or this package's own server."""
        if self.engine != "auto":
            return self.engine
        return "url" if self.engine_url else "" if self.engine_command else "egm"

    @property
    def adapters(self) -> dict[Task, str]:
        """The adapters by the task that they answer: folders where an engine is started, else names at a server."""
        told: dict[Task, str] = {"visible": self.visible_adapter, "amodal": self.amodal_adapter}
        return {task: adapter for task, adapter in told.items() if adapter}

    def contradiction(self) -> str:
        """Say which of the choices do not go together, with the remedy; empty if all is well."""
        if self.engine_url and self.engine_command:
            return "engine_url and engine_command: give one of them, a server to connect to or one to start"
        if self.amodal_engine_url and not self.engine_url:
            return "amodal_engine_url: needs engine_url as well"
        if self.engine != "auto" and self.engine_command:
            return (
                f"engine and engine_command: {self.engine} has a command of its own; leave engine_command away, or"
                " leave engine at auto"
            )
        if self.engine == "url" and not self.engine_url:
            return "engine: url connects to a server that runs; say where by engine_url:=http://HOST:PORT"
        if self.engine not in ("auto", "url") and self.engine_url:
            return (
                f"engine and engine_url: {self.engine} is started here, and engine_url names a server that runs; leave"
                f" engine_url away, or leave engine at auto and give engine_dialect:={self.engine}"
            )
        if self.engine not in ("auto", "url") and self.engine_dialect not in ("auto", self.engine):
            return (
                f"engine and engine_dialect: {self.engine} is not asked as {self.engine_dialect}; leave engine_dialect"
                " at auto"
            )
        if self.adapters and self.named not in ADAPTING:
            return (
                f"visible_adapter and amodal_adapter: {self.named} loads no adapters; engine:=vllm does, and a server"
                " at engine_url may have them"
            )
        if self.amodal_adapter and self.amodal_model not in ("", self.model):
            return (
                "amodal_adapter and amodal_model: an adapter works on the model itself; leave amodal_model away, or"
                " merge the adapter into that one"
            )
        if self.engine_precision != "auto" and self.named in ("", "url"):
            return self._of_started("engine_precision")
        if self.engine_memory_share and self.named in ("", "url"):
            return self._of_started("engine_memory_share")
        return ""

    def _of_started(self, name: str) -> str:
        by = "engine_url" if self.named == "url" else "engine_command"
        return f"{name}: is for an engine that is started by its name, and {by} is given; leave one of them away"

"""What a user says of the engines: which models, where they are served, or how a server is started."""

from __future__ import annotations

from dataclasses import dataclass

from egm_core.engines.pictures import PictureFormat


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

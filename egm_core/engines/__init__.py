"""Inference engines: transformers in process, and any OpenAI-compatible server. Importing this needs no torch."""

from egm_core.engines.base import (
    Chunk,
    Completion,
    Engine,
    EngineError,
    Health,
    Request,
    Sampling,
    Token,
    collect,
)

__all__ = ["Chunk", "Completion", "Engine", "EngineError", "Health", "Request", "Sampling", "Token", "collect"]

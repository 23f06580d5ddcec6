"""What a named engine is: how it is started, what it needs, what it can, and how each of that was verified."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from egm_core.servers.dialect import Dialect

# run here: the whole engine answered. its own HTTP code: the engine's server ran around a scripted model, or its own
# request models read our requests. read: from its documentation or source alone.
Verified = Literal["run here", "its own HTTP code", "read"]
Platform = Literal["x86", "Spark", "Thor", "Orin", "laptop"]
# Tokens of a question and its answer: a picture of 4 megapixels has 4,096, and a long thought as many.
CONTEXT = 8192
PRECISIONS = ("auto", "float32", "bfloat16", "float16", "fp8")


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter beside a model: the name that it is asked for by, its folder in PEFT's format, and its rank."""

    name: str
    folder: str
    rank: int


@dataclass(frozen=True)
class Order:
    """What a server is started for: a model (folder, file or hub name), its name, a port, and limits.

    `memory_share` is the part of the GPU's memory that it may take, 0 where it is to decide itself. `context` is the
    most tokens of a question with its answer, and `pictures` the most pictures of one. `build` names the build for
    processors that is to serve, if one is. `adapters` are served beside the model.
    """

    model: str
    port: int
    name: str = ""
    precision: str = "auto"
    memory_share: float = 0.0
    context: int = CONTEXT
    build: str = ""
    pictures: int = 1
    adapters: tuple[Adapter, ...] = ()


@dataclass(frozen=True)
class Start:
    """How a server is started, and what it needs.

    `program` is looked for beside `engine_python` and on the PATH; `words` are its arguments. `environment` is set for
    it. `distribution` is the Python package that brings it, of which `least` is the oldest version that is known to do.
    `loads` says what kind of model it takes: a "folder", a "gguf" file, or a "name" in a store of its own. `gpu`: it
    needs an NVIDIA GPU, unless a package of `cpu_builds` is installed, whose interpreter is then the program.
    `precisions` are the options for each that can be asked for. `share_of` says of which memory a share is taken: all
    of the GPU's ("total"), what is free once the weights are loaded ("rest"), or none that can be given. `remedy` says
    how to get the program.
    """

    program: str
    words: Callable[[Order], list[str]]
    remedy: str
    environment: Callable[[Order], Mapping[str, str]] = lambda order: {}
    distribution: str = ""
    least: tuple[int, ...] = ()
    loads: Literal["folder", "gguf", "name"] = "folder"
    gpu: bool = True
    cpu_builds: tuple[str, ...] = ()
    precisions: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"auto": ()})
    share_of: Literal["total", "rest", ""] = ""


@dataclass(frozen=True)
class Pin:
    """Which version is for a platform, how it gets there, and where that is from."""

    platform: Platform
    version: str
    install: str
    source: str


@dataclass(frozen=True)
class Abilities:
    """What an engine does, in words: for the reference page, and for who wants to know before trying."""

    health: str
    pictures: str
    grammars: str
    thinking: str
    scores: str
    cancels: str
    no_memory: str


@dataclass(frozen=True)
class NamedServer:
    """One engine by its name. `start` is None for one that only runs elsewhere."""

    name: str
    title: str
    dialect: Dialect
    start: Start | None
    verified: Verified
    how: str
    can: Abilities
    pins: tuple[Pin, ...] = ()
    remarks: tuple[str, ...] = ()

"""The settings of a selection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from egm_core.families import FAMILIES, TASKS
from egm_core.train.configuration import limits, setting

TRUTH = "truth"


@dataclass
class SelectConfig:
    """All settings of a selection."""

    data: list[str] = field(
        default_factory=list, metadata=limits(description="sample files to choose from, .jsonl or .parquet")
    )
    output: str = setting("runs/select", description="folder of the run; samples.jsonl there holds the chosen samples")
    learner: Any = field(
        default="egm_tiny",
        metadata=limits(
            description="model that is to be trained: a folder, egm_tiny, a list of addresses of OpenAI-compatible "
            "servers, or a folder or .jsonl file of scores made earlier"
        ),
    )
    reference: Any = field(
        default=TRUTH,
        metadata=limits(
            description="stronger model, given as the learner is; truth: everything counts as solvable, as on "
            "generated scenes, or for want of such a model"
        ),
    )
    learner_family: str = setting(
        "", choices=("", *FAMILIES), description="in whose words the learner's servers are asked"
    )
    reference_family: str = setting(
        "", choices=("", *FAMILIES), description="in whose words the reference's servers are asked"
    )
    learner_model: str = setting(
        "", description="the learner's name at its servers; empty: the only model that they list"
    )
    reference_model: str = setting(
        "", description="the reference's name at its servers; empty: the only model that they list"
    )
    reference_on: str = setting(
        "all",
        choices=("all", "failures"),
        description="what the reference is asked: everything, or where the learner fails, which chooses the same "
        "samples at a fraction of the cost",
    )
    tasks: list[str] = field(
        default_factory=lambda: list(TASKS), metadata=limits(choices=TASKS, description="boxes that are asked for")
    )
    amodal: str = setting(
        "all",
        choices=("all", "select"),
        description="take every amodal question unasked, as the paper does, or choose them like visible ones",
    )
    absent: str = setting(
        "select",
        choices=("select", "all"),
        description="choose questions about absent objects like others, or keep all",
    )
    easy: str = setting(
        "uniform",
        choices=("uniform", "buckets"),
        description="draw the easy questions evenly, or by the released code's shares per IoU",
    )
    seed: int = setting(0, low=0, high=2**32 - 1, description="seed of the draw")
    batch: int = setting(16, low=1, unit="questions", description="questions that a model folder takes at once")
    processes: int = setting(1, low=1, description="processes that ask a model folder")
    concurrency: int = setting(32, low=1, unit="questions", description="questions under way at each server")
    timeout: float = setting(300.0, above=0, unit="s", description="longest wait for a server's answer")
    patience: float = setting(
        600.0, above=0, unit="s", description="time without an answer after which a server is given up"
    )
    key_in_clear: list[str] = field(
        default_factory=list,
        metadata=limits(description="hosts that may have the API key without TLS, besides this machine"),
    )
    ray: str = setting("", description="ask servers through Ray Data: local, or a cluster's address; empty: from here")
    ray_actors: int = setting(2, low=1, description="Ray actors that ask")
    max_pixels: int = setting(0, low=0, unit="px in all", description="larger images are shrunk; 0: the model's own")
    max_tokens: int = setting(0, low=0, unit="tokens", description="longest answer; 0: the model's own")
    pixels: bool = setting(False, description="compare boxes in whole pixels, as the released code does")
    keep_answers: bool = setting(False, description="store the answers' texts with the scores")
    missing_share: float = setting(
        0.01, low=0, high=1, description="share of the images and questions that may be left out for being unusable"
    )
    tolerate: dict[str, float] = field(
        default_factory=dict,
        metadata=limits(
            description="bounds that replace the data check's own, by kind: the share of records that may be of it"
        ),
    )
    offline: bool = setting(True, description="take models from disk only; false: download hub names")

"""What only verl asks for: the cluster, how its job is started, and what a GPU holds.

These are the settings under `verl:` in a reinforcement-learning configuration; everything else in that file means
the same for both engines.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from egm_core.train.configuration import setting

ACTIONS = ("run", "submit", "print", "export")
PICTURES = ("embed", "paths")
RESUMES = ("auto", "disable")
STRATEGIES = ("fsdp2", "fsdp")


@dataclass
class VerlConfig:
    """How verl runs; the defaults are those of the paper's released script where it has them.

    `action`: run it on this machine, submit it to the Ray cluster at `address` (its dashboard), only print the
    command, or export the newest checkpoint. A submitted job needs the data, the model and the output folder under
    the same paths on every node, and `python` is a Python there that has verl. `pictures` go into the parquet file
    (embed) or stay where they are (paths). A GPU takes `tokens_per_gpu` tokens at a time, or, where that is 0,
    `micro_batch` answers. `extra` are further overrides in verl's own words, which win.
    """

    action: str = setting("run", choices=ACTIONS)
    nodes: int = setting(1, low=1)
    gpus_per_node: int = setting(8, low=1)
    python: str = setting("python3")
    address: str = setting("")
    wait: bool = setting(True)
    resume: str = setting("auto", choices=RESUMES)
    pictures: str = setting("embed", choices=PICTURES)
    max_prompt: int = setting(16384, low=1)
    tokens_per_gpu: int = setting(25600, low=0)
    strategy: str = setting("fsdp2", choices=STRATEGIES)
    offload: bool = setting(True)
    rollout_memory: float = setting(0.8, above=0, high=1)
    workers: int = setting(16, low=1)
    keep: int = setting(2, low=1)
    extra: list[str] = field(default_factory=list)

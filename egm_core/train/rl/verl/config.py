"""What only verl asks for: the cluster, how its job is started, and what a GPU holds.

These are the settings under `verl:` in a reinforcement-learning configuration; everything else in that file means
the same for both engines.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from egm_core.train.configuration import limits, setting

ACTIONS = ("run", "submit", "print", "export")
PICTURES = ("embed", "paths")
RESUMES = ("auto", "disable")
STRATEGIES = ("fsdp2", "fsdp")


@dataclass
class VerlConfig:
    """How verl runs; the defaults are those of the paper's released script where it has them.

    A submitted job needs the data, the model and the output folder under the same paths on every node.
    """

    action: str = setting(
        "run",
        choices=ACTIONS,
        description="run it on this machine, submit it to a Ray cluster, print the command, or export the newest "
        "checkpoint",
    )
    nodes: int = setting(1, low=1, description="machines of the cluster")
    gpus_per_node: int = setting(8, low=1, description="GPUs of each machine")
    python: str = setting("python3", description="a Python that has verl, on every machine")
    address: str = setting("", description="dashboard of the Ray cluster to submit to, such as http://HEAD:8265")
    wait: bool = setting(True, description="wait for a submitted job, and export its model")
    resume: str = setting("auto", choices=RESUMES, description="go on from the newest checkpoint, or begin anew")
    pictures: str = setting(
        "embed", choices=PICTURES, description="images go into the parquet file, or stay where they are"
    )
    max_prompt: int = setting(16384, low=1, unit="tokens", description="longest prompt; longer ones are left out")
    tokens_per_gpu: int = setting(
        25600, low=0, unit="tokens", description="what a GPU takes at a time; 0: micro_batch answers"
    )
    strategy: str = setting("fsdp2", choices=STRATEGIES, description="how weights are spread over the GPUs")
    offload: bool = setting(True, description="keep weights and optimizer in the machine's memory between their uses")
    rollout_memory: float = setting(0.8, above=0, high=1, description="share of a GPU's memory that vLLM takes")
    workers: int = setting(16, low=1, description="processes that look for prompts that are too long")
    keep: int = setting(2, low=1, description="newest checkpoints that are kept")
    extra: list[str] = field(
        default_factory=list, metadata=limits(description="further overrides in verl's own words, which win")
    )

"""What a plan assumes: the machine, and what can't be read off the files."""

from __future__ import annotations

from dataclasses import dataclass

from egm_core.servers.machine import gpus
from egm_core.train.configuration import setting

PREFIX = "plan."
SHARDINGS = ("none", "zero2", "zero3", "fsdp2")


@dataclass
class Machine:
    """The machine and the data that a plan is for; what is not set is assumed, and the plan says so."""

    stage: str = setting(
        "",
        choices=("", "pretrain", "sft", "select", "rl"),
        description="stage that the file is for; empty: by its keys",
    )
    gpus: int = setting(
        0, low=0, description="GPUs; 0: the file's processes, one for LoRA and small models, else the paper's 8"
    )
    gpu_gib: float = setting(80.0, above=0, unit="GiB", description="memory of each GPU")
    sharding: str = setting(
        "",
        choices=("", *SHARDINGS),
        description="how weights are spread; empty: fsdp2 where a large model has several GPUs",
    )
    samples: int = setting(0, low=0, description="samples; 0: count those of the data files")
    height: int = setting(0, low=0, unit="px", description="height of an image; 0: the first sample's, or COCO's")
    width: int = setting(0, low=0, unit="px", description="width of an image; 0: the first sample's, or COCO's")
    answer_tokens: int = setting(256, low=1, unit="tokens", description="length of an SFT target")
    architecture: str = setting("", description="published model whose sizes to take, where no folder is at hand")


def described(machine: Machine, asked: Machine) -> str:
    """Say which machine a plan is for, what of that was assumed, and what is here where that is another.

    `asked` is the machine as its user named it, `machine` the whole one.
    """
    plural = "s" * (machine.gpus > 1)
    told = f"{machine.gpus} GPU{plural} of {machine.gpu_gib:g} GiB"
    if asked.gpus and asked.gpu_gib != Machine().gpu_gib:
        return told
    here = gpus()
    names = ", ".join(f"{gpu.name} of {gpu.memory:g} GiB" if gpu.memory else gpu.name for gpu in here) or "no GPU"
    return f"{told}, assumed; this one has {names}. Name yours: {PREFIX}gpus=1 {PREFIX}gpu_gib=24"

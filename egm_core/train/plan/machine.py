"""What a plan assumes: the machine, and what can't be read off the files."""

from __future__ import annotations

from dataclasses import dataclass

from egm_core.train.configuration import setting

PREFIX = "plan."
SHARDINGS = ("none", "zero2", "zero3", "fsdp2")


@dataclass
class Machine:
    """The settings `plan.<key>`."""

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
    height: int = setting(0, low=0, unit="px", description="height of a picture; 0: the first sample's, or COCO's")
    width: int = setting(0, low=0, unit="px", description="width of a picture; 0: the first sample's, or COCO's")
    answer_tokens: int = setting(256, low=1, unit="tokens", description="length of an SFT target")
    architecture: str = setting("", description="published model whose sizes to take, where no folder is at hand")

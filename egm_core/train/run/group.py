"""The processes of one distributed run as a group: who decides, how the others hear of it, how long they wait.

Whatever looks at files, pictures or settings does so in the first process; the others get its result, or its error.
Otherwise two nodes that see other files would train on other data, and each would read every picture.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar, cast

from egm_core.train.run.processes import launched

Result = TypeVar("Result")

# How long a process waits for the others, NCCL's and gloo's timeout: checking half a million pictures takes its time.
PATIENCE = timedelta(hours=3)


def join_group() -> None:
    """Make the process group of a launched run; call it before models are loaded and files are looked at.

    Models that are loaded before would not know that they are to be sharded, and a group that the trainer makes has
    the trainer's timeout. Does nothing where no launcher started this process, and when called again.
    """
    if not launched():
        return
    import torch
    from accelerate import PartialState

    PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)


def by_first(decide: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function in the first process and give its result in all of them; what it raises is raised in all."""
    import torch.distributed as distributed

    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return decide(*arguments)
    from accelerate.utils import broadcast_object_list

    told: list[Any] = [None, None]
    if distributed.get_rank() == 0:
        try:
            told = [decide(*arguments), None]
        except Exception as raised:  # the group's edge: every process raises it, the first one included
            told = [None, raised]
    broadcast_object_list(told)
    if told[1] is not None:
        raise told[1]
    return cast(Result, told[0])

"""One of several processes that load and shard a reference model as an accelerate file has them do.

    python sharded_reference.py ACCELERATE_FILE MODEL_FOLDER

Exits with 0 where every process ends up with the folder's weights, with 3 where one does not.
"""

from __future__ import annotations

import os
import sys

import torch
import torch.distributed as distributed
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env
from safetensors.torch import load_file
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from egm_core.torchvision_shim import install_schemas

install_schemas()

from trl.trainer.utils import create_model_from_path  # noqa: E402


def main(file: str, folder: str) -> int:
    """Load and shard as TRL does with its reference, and compare with the folder's weights."""
    options, *_ = _validate_launch_command(launch_command_parser().parse_args(["--config_file", file, "train.py"]))
    # What `accelerate launch` tells the processes that it starts of its file.
    told = prepare_multi_gpu_env(options)
    os.environ.update({name: value for name, value in told.items() if name.startswith(("FSDP_", "ACCELERATE_USE"))})
    distributed.init_process_group("gloo")
    reference = create_model_from_path(folder, dtype=torch.float32)
    fully_shard(reference, mesh=init_device_mesh("cpu", (distributed.get_world_size(),)))
    parameters = dict(reference.named_parameters())
    assert parameters and all(isinstance(parameter, DTensor) for parameter in parameters.values())
    truth = load_file(os.path.join(folder, "model.safetensors"))
    wrong = torch.zeros(1)
    for name, parameter in parameters.items():
        whole = parameter.full_tensor()
        wrong += float(name in truth and not torch.equal(whole, truth[name]))
    assert any(name in truth for name in parameters)
    distributed.all_reduce(wrong)
    distributed.destroy_process_group()
    return 3 if wrong.item() else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

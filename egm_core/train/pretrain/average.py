"""The mean of two models' weights (as in WiSE-FT, Wortsman et al. 2022), and model folders in half precision.

    python -m egm_core.train.pretrain.average --model runs/sft/final [--other runs/pretrain/final] --out FOLDER

What tuning won stays for the most part, and what it lost comes back. `--model` may be the folder of a pretraining run
that is not over: its last whole checkpoint is taken. Calibration and gate are of the old weights: they do not go along.
"""

from __future__ import annotations

import json
import shutil
import sys
from argparse import Namespace, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

import torch

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.console import attempt, finish
from egm_core.models.folder import EMBEDDED, FILE, load_info, resolve, write_info
from egm_core.torchvision_shim import install_schemas

PROG = "python -m egm_core.train.pretrain.average"


def averaged(model: Path, other: Path | None, dtype: torch.dtype) -> Any:
    """Load a model of the mean of two folders' weights, taken in float32, or of one folder's weights."""
    install_schemas()
    from transformers import AutoModelForImageTextToText

    loaded = AutoModelForImageTextToText.from_pretrained(model, dtype=dtype)
    if other:
        mine, theirs = (
            AutoModelForImageTextToText.from_pretrained(f, dtype=torch.float32).state_dict() for f in (model, other)
        )
        if {k: v.shape for k, v in mine.items()} != {k: v.shape for k, v in theirs.items()}:
            raise ValueError(
                f"{model} and {other} have weights of other names or shapes; give models of one architecture"
            )
        loaded.load_state_dict({name: (value + theirs[name]) / 2 for name, value in mine.items()})
    broken = [name for name, value in loaded.named_parameters() if not torch.isfinite(value).all()]
    if broken:
        raise ValueError(
            f"{broken[0]} of {model}{f' and {other}' if other else ''} is not finite ({len(broken)} such), as "
            "after a run that came apart, or as half precision cannot hold it: take an earlier checkpoint, or --float32"
        )
    return loaded


def write(model: Path, other: Path | None, out: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write the mean of two model folders, or one of them, as a folder of that precision; what describes it stays."""
    install_schemas()
    from transformers import AutoProcessor

    info = load_info(model)
    averaged(model, other, dtype).save_pretrained(out)
    AutoProcessor.from_pretrained(model).save_pretrained(out)
    if info.domain_path and info.domain_path.resolve() != (out / info.domain_path.name).resolve():
        shutil.copyfile(info.domain_path, out / info.domain_path.name)
    write_info(out, info)


def _of_checkpoint(run: Path, out: Path) -> Path:
    """Write the model of a pretraining run's last whole checkpoint as a folder, and give that."""
    from egm_core.tiny.shape import Architecture
    from egm_core.train.pretrain import checkpoint
    from egm_core.train.pretrain.stage import export

    last = checkpoint.load_last(run)
    if last is None:
        raise FileNotFoundError(f"{run} is no model folder, and holds no whole checkpoint of a pretraining run")
    config = json.loads((run / "config.json").read_text())
    shape = {**config["architecture"], "deepstack": tuple(config["architecture"]["deepstack"])}
    export(Architecture(**shape), last[1]["model"], out, config["reasoning"] > 0)
    return out


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and write the folder; gives the exit status."""
    parser = Parser(prog=PROG, description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model",
        type=_named,
        required=True,
        help=f"model folder, or a pretraining run's, or {EMBEDDED}; the result is described as it is",
    )
    parser.add_argument("--other", type=_named, help=f"model folder, or {EMBEDDED}, to take the mean with")
    parser.add_argument("--out", type=Path, required=True, help="folder to write, none of the two")
    parser.add_argument("--float32", action="store_true", help="keep single precision")
    notes.add_options(parser)
    options = parser.parse_args(arguments)
    notes.begin(options)
    return attempt(lambda: _average(options))


def _named(name: str) -> Path:
    return resolve(name) if name == EMBEDDED else Path(name).expanduser()


def _average(options: Namespace) -> None:
    for given in (options.model, options.other):
        if given and given.resolve() == options.out.resolve():
            raise ValueError(f"--out {options.out} is one of the models, which would be lost; name another folder")
    model = options.model if (options.model / FILE).is_file() else _of_checkpoint(options.model, options.out)
    write(model, options.other, options.out, torch.float32 if options.float32 else torch.float16)


if __name__ == "__main__":
    sys.exit(finish(main))

"""`egm train`: runs a stage of training, or says what one would take.

Training stages resume from their output folder's last whole checkpoint and end in a model folder, `final/`;
`plan` runs nothing. `STAGE --help` lists the stage's settings.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from egm_core import notes
from egm_core.arguments import Parser
from egm_core.console import attempt
from egm_core.train.configuration import ConfigurationError, located
from egm_core.train.described import settings_help
from egm_core.train.plan.machine import PREFIX
from egm_core.train.stages import STAGES, settings_of, stage_config

PLAN = "plan"
_ABOUT = {
    "pretrain": "train the embedded model from nothing, on generated scenes",
    "sft": "fine-tune a model on samples with reasoning (supervised)",
    "select": "choose the samples of reinforcement learning by what a model gets right",
    "rl": "reinforcement learning on the boxes' overlap with the truth",
    PLAN: "say what a stage would take, and run nothing: settings, steps, memory on each GPU",
}
_HELP = ("-h", "--help")


def main(arguments: list[str] | None = None, prog: str = "egm train") -> int:
    """Parse the command line, run the stage, and return the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    own = parser(prog, asked_about(words))
    options = own.parse_intermixed_args(words)
    notes.begin(options)
    return attempt(lambda: print(_told(options.stage, options.config, options.overrides)))


def _told(stage: str, file: Path, overrides: list[str]) -> str:
    """Run a stage, or plan one, and give its words; a setting to blame is named with its place in the file."""
    try:
        if stage == PLAN:
            from egm_core.train.plan.plan import plan

            return plan(file, overrides)
        module, _, verb = STAGES[stage]
        return str(getattr(import_module(module), verb)(stage_config(stage, file, overrides)))
    except ConfigurationError as error:
        where = located(file, error.key, overrides)
        raise ConfigurationError(f"{'' if str(error).startswith(where) else where}{error}", error.key) from error


def asked_about(words: list[str]) -> str:
    """Name the stage whose help is asked for; empty where none is, or help on all."""
    if not any(word in _HELP for word in words):
        return ""
    return next((word for word in words if word in _ABOUT), "")


def parser(prog: str = "egm train", stage: str = "") -> Parser:
    """Make the parser of the command line; with a stage its help lists that stage's settings."""
    about = [f"  {name:9} {what}" for name, what in _ABOUT.items()]
    example = f"{stage or 'sft'} --config training/egm_tiny/{stage if stage in STAGES else 'sft'}.yaml"
    changed = " plan.gpus=1 plan.gpu_gib=24" if stage == PLAN else " output=runs/mine seed=1"
    parser = Parser(
        prog=prog,
        description=f"{_ABOUT[stage][0].upper()}{_ABOUT[stage][1:]}."
        if stage
        else "\n".join(
            ["Train a grounding model, stage by stage:", "", *about, "", f"{prog} STAGE --help lists settings."]
        ),
        example=example + changed,
    )
    if stage:
        title = f"settings of {stage}, in the file as key: value, on the command line as key=value:"
        settings = settings_help(settings_of(stage), PREFIX if stage == PLAN else "").replace("%", "%%")
        parser.epilog = f"{parser.epilog}\n\n{title}\n\n{settings}"
        if stage == PLAN:
            parser.epilog += "\n\nkeys without plan. replace those of the stage's file"
    parser.add_argument("stage", choices=tuple(_ABOUT), help="what to run")
    parser.add_argument("--config", type=Path, required=True, help="the stage's YAML file")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that replace the file's")
    notes.add_options(parser)
    return parser

"""Train a grounding model: one entry for every stage.

    python -m egm_core.train pretrain --config training/egm_tiny/pretrain.yaml [key=value ...]
    python -m egm_core.train sft      --config training/egm_tiny/sft.yaml      [key=value ...]
    python -m egm_core.train select   --config training/egm_tiny/select.yaml   [key=value ...]
    python -m egm_core.train rl       --config training/egm_tiny/rl.yaml       [key=value ...]
    python -m egm_core.train plan     --config training/egm_tiny/rl.yaml       [key=value ...]

Training stages resume from their output folder's last whole checkpoint and end in a model folder, `final/`;
`plan` runs nothing and says what another stage would take.
"""

from __future__ import annotations

import sys
from argparse import RawDescriptionHelpFormatter
from importlib import import_module
from pathlib import Path
from typing import Any

from egm_core.arguments import Parser
from egm_core.console import finish
from egm_core.sample import SampleError
from egm_core.train.configuration import ConfigurationError, load, located

# Stage: module, its configuration's class, its verb. Imported when asked for, so that --help needs no torch.
STAGES = {
    "pretrain": ("egm_core.train.pretrain", "PretrainConfig", "pretrain"),
    "sft": ("egm_core.train.sft", "SFTStageConfig", "sft"),
    "select": ("egm_core.train.select", "SelectConfig", "select"),
    "rl": ("egm_core.train.rl", "RLConfig", "rl"),
}


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the stage, and return the exit status."""
    parser = Parser(
        prog="python -m egm_core.train", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=(*STAGES, "plan"), help="what to run")
    parser.add_argument("--config", type=Path, required=True, help="the stage's YAML file")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that replace the file's")
    options = parser.parse_intermixed_args(arguments)
    try:
        if options.stage == "plan":
            from egm_core.train.plan import plan

            print(plan(options.config, options.overrides))
        else:
            module_name, _, verb = STAGES[options.stage]
            module = import_module(module_name)
            config = stage_config(options.stage, options.config, options.overrides)
            print(getattr(module, verb)(config))
    except ConfigurationError as error:
        where = located(options.config, error.key, options.overrides)
        print(f"error: {'' if str(error).startswith(where) else where}{error}", file=sys.stderr)
        return 2
    except (SampleError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        raise
    except (FloatingPointError, OSError) as error:
        # A run that stopped at a number beyond repair, or could not write; its message has the remedy.
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def stage_config(stage: str, file: Path, overrides: list[str]) -> Any:
    """Read a stage's configuration; ConfigurationError says so where the file is another stage's."""
    module, kind, _ = STAGES[stage]
    try:
        return load(getattr(import_module(module), kind), file, overrides)
    except ConfigurationError as error:
        others = [other for other in STAGES if other != stage and error.key and _reads(other, file)]
        if not others or any(word.split("=", 1)[0].strip() == error.key for word in overrides):
            raise
        raise ConfigurationError(
            f"{error} (this is a file of the stage {' or '.join(others)}: python -m egm_core.train {others[0]} "
            f"--config {file})",
            error.key,
        ) from error


def _reads(stage: str, file: Path) -> bool:
    """Tell whether a file is one of a stage, by its keys and values."""
    module, kind, _ = STAGES[stage]
    try:
        load(getattr(import_module(module), kind), file)
    except ConfigurationError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(finish(main))

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

from egm_core.arguments import Parser
from egm_core.console import finish
from egm_core.sample import SampleError
from egm_core.train.configuration import ConfigurationError, located
from egm_core.train.stages import STAGES, stage_config


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
            from egm_core.train.plan.plan import plan

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


if __name__ == "__main__":
    sys.exit(finish(main))

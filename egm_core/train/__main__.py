"""Train a grounding model: one entry for every stage.

    python -m egm_core.train pretrain --config training/egm_tiny/pretrain.yaml [key=value ...]
    python -m egm_core.train sft      --config training/egm_tiny/sft.yaml      [key=value ...]

Every stage resumes from its output folder's last whole checkpoint and ends in a model folder, `final/`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from egm_core.train.configuration import ConfigurationError, load


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the stage, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m egm_core.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=("pretrain", "sft"), help="what to run")
    parser.add_argument("--config", type=Path, required=True, help="the stage's YAML file")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings that replace the file's")
    options = parser.parse_intermixed_args(arguments)
    try:
        if options.stage == "pretrain":
            from egm_core.train.pretrain import PretrainConfig, pretrain

            print(pretrain(load(PretrainConfig, options.config, options.overrides)))
        else:
            from egm_core.train.sft import SFTStageConfig, sft

            print(sft(load(SFTStageConfig, options.config, options.overrides)))
    except (ConfigurationError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

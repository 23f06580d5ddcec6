"""`egm curate prompts`: what a teacher is asked, and the form of its answer."""

from __future__ import annotations

import argparse
import json
from typing import Any

from egm_core import notes
from egm_core.arguments import whole
from egm_core.curate.prompts import NAMES, load


def add(commands: Any) -> None:
    """Add the command."""
    own = commands.add_parser(
        "prompts",
        help="show what a teacher is asked",
        description="Show a prompt's text and the JSON schema of its answer, or list the prompts.",
        example="reason_visible",
    )
    own.add_argument("name", nargs="?", choices=NAMES, help="prompt to show; without it all are listed")
    own.add_argument("--version", type=whole(1, 1000), help="version of it (default: the newest)")
    notes.add_options(own)
    own.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if not options.name:
        print("\n".join(load(name).label for name in NAMES))
        return
    prompt = load(options.name, options.version)
    print(f"{prompt.label}\n\n{prompt.text}\n\n{json.dumps(prompt.schema, indent=2)}")

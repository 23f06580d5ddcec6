"""A further model beside the teacher, such as a judge: its prices, and how it is asked in the teacher's place."""

from __future__ import annotations

import argparse

from egm_core.curate.teacher import arguments


def add_prices(group: argparse._ArgumentGroup, name: str) -> None:
    """Add the options for what a further model takes for its tokens."""
    for way in ("in", "out"):
        group.add_argument(
            f"--{name}-price-{way}",
            type=arguments.DOLLARS,
            metavar="X",
            help=f"dollars a million tokens {way}; 0 where nobody bills",
        )


def in_place(options: argparse.Namespace, name: str) -> argparse.Namespace:
    """Give a command's options with the further model where the teacher stands; by default at the teacher's servers."""
    own = argparse.Namespace(**vars(options))
    own.teacher_url = getattr(options, f"{name}_url") or options.teacher_url
    if getattr(options, f"{name}_url"):
        own.inside = None
    own.teacher_model = getattr(options, f"{name}_model")
    own.price_in, own.price_out = getattr(options, f"{name}_price_in"), getattr(options, f"{name}_price_out")
    own.price_names = f"--{name}-price-in and --{name}-price-out"
    return own

"""Choose samples that ask for the whole of what is hidden in part, with some absent objects and some in full view.

    tools/env.sh python tools/hidden_samples.py --samples runs/egm_tiny/rl_samples_reach/samples.jsonl \\
        --out runs/egm_tiny/rl_samples_reach/hidden.jsonl

Every sample whose visible and amodal boxes have an IoU below --overlap, as amodal question; beside them a fifth as many
absent objects, and a third as many others as visible questions, drawn at random.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from egm_core.arguments import number
from egm_core.boxes import iou
from egm_core.sample import Sample, read_samples, write_samples


def main() -> None:
    """Read the command line and write the chosen samples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, required=True, help="sample records")
    parser.add_argument("--out", type=Path, required=True, help="sample records to write, beside the former")
    parser.add_argument("--overlap", type=number(0, 1), default=0.85, help="IoU below which an object counts")
    options = parser.parse_args()
    hidden: list[Sample] = []
    absent: list[Sample] = []
    plain: list[Sample] = []
    for sample in read_samples(options.samples):
        if sample.bbox is None or (whole := sample.truth("amodal")) is None:
            absent.append(sample)
        else:
            (hidden if iou(sample.bbox, whole) < options.overlap else plain).append(sample)
    rng = np.random.default_rng(0)
    chosen = [replace(sample, task="amodal") for sample in hidden]
    chosen += [absent[i] for i in rng.permutation(len(absent))[: len(hidden) // 5]]
    chosen += [replace(plain[i], task="visible") for i in rng.permutation(len(plain))[: len(hidden) // 3]]
    write_samples(options.out, chosen)
    print(f"{len(chosen)} samples in {options.out}, {len(hidden)} of them hidden in part")


if __name__ == "__main__":
    main()

"""Gives samples of COCO-Amodal expressions and reasoning that you bring.

    egm data convert coco-amodal --file COCO_amodal_train2014.json --images train2014 --names all --out regions.jsonl
    python examples/coco_amodal.py regions.jsonl texts.json data/amodal/train.jsonl

`texts.json` maps a record's `annotation_id`, such as "17-1" for the front region of annotation 17, to the expression
and the reasoning of that region. Regions that it does not name are left out.
"""

import json
import sys
from dataclasses import replace
from pathlib import Path

from egm_core.sample import read_samples, write_samples


def with_texts(samples, texts):
    """Give the samples that have texts, with these; `texts` maps annotation ids to (expression, reasoning)."""
    for sample in samples:
        if sample.annotation_id in texts:
            sent, reasoning = texts[sample.annotation_id]
            # The record stands for the amodal query alone: the reasoning leads to that box.
            yield replace(sample, sent=sent, amodal_reasoning=reasoning, task="amodal")


if __name__ == "__main__":
    regions, texts, out = map(Path, sys.argv[1:])
    write_samples(out, with_texts(read_samples(regions), json.loads(texts.read_text())))

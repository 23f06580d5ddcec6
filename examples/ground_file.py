"""Grounds an instruction in one image file, with the embedded model in this process, without ROS.

    python examples/ground_file.py photo.jpg "the red mug"
"""

from __future__ import annotations

import sys

import cv2

from egm_core.engines.local import TransformersEngine
from egm_core.grounder import Grounder
from egm_core.models.folder import load_info, resolve

file, instruction = sys.argv[1:]
folder = resolve("egm_tiny")
image = cv2.cvtColor(cv2.imread(file), cv2.COLOR_BGR2RGB)
with TransformersEngine(folder) as engine:
    engine.wait_ready()
    grounding = Grounder(engine, load_info(folder)).ground(image, instruction)
print(grounding.outcome, grounding.visible, grounding.amodal)

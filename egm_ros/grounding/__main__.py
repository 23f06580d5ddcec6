"""Runs the node as a process: python -m egm_ros.grounding."""

import sys

from egm_ros.grounding.node import main

sys.exit(main())

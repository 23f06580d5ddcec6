"""Runs the node as a process: python -m egm_ros.overlay."""

import sys

from egm_ros.overlay.node import main

sys.exit(main())

"""Runs the node as a process: python -m egm_ros.lifting."""

import sys

from egm_ros.lifting.node import main

sys.exit(main())

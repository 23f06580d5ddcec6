"""Runs the node as a process: python -m egm_ros.propagation."""

import sys

from egm_ros.propagation.node import main

sys.exit(main())

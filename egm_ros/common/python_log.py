"""Brings what Python's logging says, the core's warnings among it, into the ROS log of the node that runs.

The ROS logger `egm` stands for every node of this package: `--ros-args --log-level egm:=debug` shows what the nodes
and the core do, whatever the nodes are called, without rcl's own flood.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rclpy.logging import LoggingSeverity, get_logger, get_logger_effective_level

from egm_ros.common.notices import LOGGER, Level, write

# Whose every word may be wanted; of others' libraries, warnings and worse.
OWN = ("egm", "egm_core", "egm_ros")
LEVELS: tuple[tuple[int, LoggingSeverity, Level], ...] = (
    (logging.CRITICAL, LoggingSeverity.FATAL, "fatal"),
    (logging.ERROR, LoggingSeverity.ERROR, "error"),
    (logging.WARNING, LoggingSeverity.WARN, "warning"),
    (logging.INFO, LoggingSeverity.INFO, "info"),
    (logging.NOTSET, LoggingSeverity.DEBUG, "debug"),
)


class PythonLog(logging.Handler):
    """Hands each record of Python's logging to a ROS logger: that of `egm`, and of the node once there is one."""

    def __init__(self) -> None:
        super().__init__()
        self._logger: Any = get_logger(LOGGER)

    def belong_to(self, node: Any) -> None:
        """Log as this node from now on; it takes the level of `egm` where that was set, and its own was not."""
        self._logger = node.get_logger()
        asked, usual = get_logger_effective_level(LOGGER), get_logger_effective_level("")
        if asked != usual and self._logger.get_effective_level() == usual:
            self._logger.set_level(asked)

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record, if the ROS logger is enabled for its level."""
        severity, level = next((severity, level) for least, severity, level in LEVELS if record.levelno >= least)
        if not self._logger.is_enabled_for(severity):
            return
        try:
            text = self.format(record)
            write(self._logger, level, text if record.name.split(".")[0] in OWN else f"{record.name}: {text}")
        except Exception:  # the logging call's edge: a bad record must not end what was told
            self.handleError(record)


@contextmanager
def python_log() -> Iterator[PythonLog]:
    """Have everything that Python's logging says in this process go to the ROS log within the block."""
    handler, root = PythonLog(), logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in OWN}
    root.addHandler(handler)
    for name in OWN:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)

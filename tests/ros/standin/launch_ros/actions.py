"""A node: a process with a name, parameters and remappings on its command line."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from typing import Any

import yaml
from launch import LaunchContext, LaunchDescriptionEntity

from launch_ros.parameter_descriptions import ParameterValue

PROGRAM = "import sys; from egm_ros.commands import {0}; sys.exit({0}())"


class Node(LaunchDescriptionEntity):
    """Starts an executable of this package."""

    def __init__(
        self,
        *,
        package: str,
        executable: str,
        name: str,
        namespace: Any = "",
        parameters: Any = (),
        remappings: Any = (),
        arguments: Any = (),
        output: str = "log",
        respawn: bool = False,
        respawn_delay: float = 0.0,
        sigterm_timeout: str = "5",
    ) -> None:
        self.package, self.executable, self.name, self.namespace = package, executable, name, namespace
        self.parameters, self.remappings, self.arguments = parameters, remappings, arguments
        self.respawn, self.respawn_delay, self.patience = respawn, respawn_delay, float(sigterm_timeout)
        self.process: subprocess.Popen[str] | None = None
        self.label = ""

    @property
    def process_details(self) -> dict[str, Any] | None:
        """What is known of the running process."""
        return {"pid": self.process.pid} if self.process is not None else None

    @property
    def return_code(self) -> int | None:
        """How the process ended; None while it runs."""
        return self.process.poll() if self.process is not None else None

    def execute(self, context: LaunchContext) -> None:
        """Start the process, and print its lines under its name."""
        if self not in context.processes:
            context.processes.append(self)
            self.label = f"{self.name}-{len(context.processes)}"
        words = [context.text(word) for word in self.arguments]
        words += ["--ros-args", "-r", f"__node:={self.name}"]
        namespace = context.text(self.namespace)
        if namespace:
            words += ["-r", f"__ns:=/{namespace.strip('/')}"]
        for entry in self.parameters:
            words += ["--params-file", self._file(entry) if isinstance(entry, dict) else context.text(entry)]
        for source, target in self.remappings:
            words += ["-r", f"{context.text(source)}:={context.text(target)}"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(self.executable), *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        print(f"[INFO] [{self.label}]: process started with pid [{self.process.pid}]", flush=True)
        threading.Thread(target=self._relay, args=(self.process,), daemon=True).start()

    def _file(self, values: dict[str, Any]) -> str:
        """Write values as the real one does: text that is no ParameterValue is read as YAML."""
        read = {
            name: value.value
            if isinstance(value, ParameterValue)
            else yaml.safe_load(value)
            if isinstance(value, str)
            else value
            for name, value in values.items()
        }
        with tempfile.NamedTemporaryFile("w", prefix="launch_params_", delete=False) as file:
            yaml.safe_dump({"/**": {"ros__parameters": read}}, file)
        return file.name

    def _relay(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            print(f"[{self.label}] {line}", end="", flush=True)

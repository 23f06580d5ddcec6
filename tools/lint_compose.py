"""Reads compose files by the Compose specification's rules, their variables filled in with their defaults.

    .venv-containers/bin/python tools/lint_compose.py containers/compose.*.yaml

Names what is wrong and ends with 1, or lists each file's services. tools/lint_containers.sh makes the environment.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

DEFAULT = re.compile(r"\$\{\w+:-([^{}]*)\}")


def filled_in(text: str) -> str:
    """Put each variable's default in its place."""
    return DEFAULT.sub(lambda found: found[1], text)


def main(files: list[str]) -> int:
    """Read each file; give the exit status."""
    from compose_spec import PyCompose

    status = 0
    for file in files:
        try:
            services = PyCompose.from_yaml(filled_in(Path(file).read_text(encoding="utf-8"))).service_names()
        except ValueError as error:
            print(f"{file}: {error}", file=sys.stderr)
            status = 1
        else:
            print(f"{file}: {', '.join(services)}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Whether the name of a file, or of its folders, says that it is of a certain data set, whose licence then is its own.

Files in a data set's layout may hold somebody's own data: the kind of its reader says nothing of its licence.
"""

from __future__ import annotations

import re
from pathlib import Path

# The file, and two folders.
DEEP = 3
UNKNOWN = "unknown; state it by --licence"


def stated(path: Path, names: str, licence: str) -> str:
    """Give a data set's licence where one of its names, a pattern of small letters, stands in a path; else nothing."""
    pattern = re.compile(rf"(?<![a-z0-9])(?:{names})(?![a-z0-9])")
    return licence if any(pattern.search(part.lower()) for part in path.absolute().parts[-DEEP:]) else ""

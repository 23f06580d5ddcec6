"""What a server will not be told: settings of sampling that it refuses, and that are then left out.

GPT-5 and Claude Opus 4.7 refuse any temperature but their own, others a probability of tokens or a seed. A refusal that
names one of them is answered by asking again without it, and the user is told, for answers then vary.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from typing import Any

# Where a refusal names two that exclude each other, the first one here is left out.
OPTIONAL = ("top_p", "logprobs", "seed", "temperature", "stream_options")
_MEANING = {
    "temperature": "answers are drawn at the server's own temperature, and differ from run to run",
    "top_p": "the server draws from as many tokens as it likes",
    "logprobs": "answers come without scores",
    "seed": "a run cannot be repeated exactly",
    "stream_options": "the tokens of answers are estimated where it does not count them unasked",
}
_REFUSAL = re.compile(
    r"unsupported|not supported|does ?n[o']t support|unrecognized|unknown|unexpected|not permitted|not allowed"
    r"|deprecated|cannot both|only the default|not available|not enabled|extra inputs|removed"
)
_log = logging.getLogger("egm.engine")


class LeftOut:
    """The settings that one server has refused; usable from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: set[str] = set()

    def strip(self, body: dict[str, Any]) -> dict[str, Any]:
        """Give a request's body without what the server refuses."""
        with self._lock:
            return {name: value for name, value in body.items() if name not in self._names}

    def learn(self, body: Mapping[str, Any], refusal: str, url: str) -> bool:
        """Tell whether a refusal is about a setting that the body holds, and leave that out from now on."""
        text = refusal.lower()
        text = text.replace("include_usage", "stream_options")
        named = [name for name in OPTIONAL if name in body and re.search(rf"\b{name}\b", text)]
        if not named or not _REFUSAL.search(text):
            return False
        self.leave(named[0], url)
        return True

    def leave(self, name: str, url: str) -> None:
        """Leave a setting out from now on, and say so once."""
        with self._lock:
            known = name in self._names
            self._names.add(name)
        if not known:
            _log.warning("%s refuses %s, which is left out: %s", url, name, _MEANING[name])

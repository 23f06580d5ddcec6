"""Says of pictures that come or go whether their size gets through, and what their encoding is taken for."""

from __future__ import annotations

from typing import Any

from egm_ros.common.notices import Notices
from egm_ros.common.pictures import images
from egm_ros.common.pictures.shared_memory import advice


class PictureReport:
    """Says each once: for every larger size, and for every topic's encoding."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._largest = 0

    def came(self, topic: str, message: Any) -> None:
        """Look at a picture that came on a topic, raw or compressed."""
        self.size(len(message.data))
        guess = images.guess(message)
        if guess:
            self._notices.once((topic, guess), f"{topic}: {guess}")

    def size(self, count: int) -> None:
        """Look at a picture's size in bytes."""
        if count > self._largest:
            self._largest = count
            self._notices.once(("size", count), advice(count))

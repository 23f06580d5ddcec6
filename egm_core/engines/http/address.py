"""What may be a server's address."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

import httpx


def api_root(url: str) -> tuple[str, str]:
    """Split an address into its root and the path of its API: `/v1`, or none where the address names a version itself.

    Gemini's ends in /v1beta/openai and Zhipu's in /v4, and neither has a /v1 below.
    """
    root = url.rstrip("/")
    if root.endswith("/v1"):
        return root.removesuffix("/v1"), "/v1"
    named = any(_VERSION.fullmatch(part) for part in urlsplit(root).path.split("/"))
    return root, "" if named else "/v1"


def checked(url: str) -> SplitResult:
    """Take a server's address apart; ValueError says what is wrong with one that cannot be."""
    try:
        parts, _ = urlsplit(url), httpx.URL(url)
        port = parts.port
        # What no resolver would take, such as a name with an empty part.
        (parts.hostname or "").encode("idna")
    except (ValueError, httpx.InvalidURL) as error:
        raise ValueError(f"{url!r} is not a URL of a server ({error}); {_REMEDY}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or any(c.isspace() for c in url):
        raise ValueError(f"{url!r} is not a URL of a server; {_REMEDY}")
    if port == 0:
        raise ValueError(f"{url!r} has port 0, where no server listens; {_REMEDY}")
    return parts


_VERSION = re.compile(r"v[0-9]+(?:(?:alpha|beta)[0-9]*)?")
_REMEDY = "write http://host:port or https://host:port, with a port of 1 to 65535"

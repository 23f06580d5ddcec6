"""What may be a server's address."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

import httpx


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


_REMEDY = "write http://host:port or https://host:port, with a port of 1 to 65535"

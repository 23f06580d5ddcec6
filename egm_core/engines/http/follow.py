"""Hands a streamed answer on as it comes, and waits a moment at its end for the count of tokens that was asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from egm_core.engines.base import Chunk
from egm_core.engines.http.patience import Patience
from egm_core.engines.http.sse import Reader, lines

# How many seconds after an answer's last word its count of tokens may come.
COUNT_WAIT = 0.5


async def follow(
    pieces: AsyncIterator[bytes], reader: Reader, put: Callable[[Chunk], None], most: int | None, counts: bool
) -> None:
    """Put each chunk; cuts the answer at `most` tokens. With `counts` the end waits for what the server has counted."""
    count = 0
    last: Chunk | None = None
    try:
        async with Patience(None) as patience:
            async for line in lines(pieces):
                chunk = reader.line(line)
                if chunk is not None and last is None:
                    count += max(1, len(chunk.tokens))
                    if chunk.finish is None and most is not None and count >= most:
                        put(Chunk(chunk.text, chunk.tokens, "length", reader.told))
                        return
                    if counts and chunk.finish is not None:
                        last = chunk
                        put(Chunk(chunk.text, chunk.tokens))
                        patience.end_in(COUNT_WAIT)
                    else:
                        put(chunk)
                if reader.done:
                    break
    finally:
        # Whatever comes after its last word, the answer is whole.
        if last is not None:
            put(Chunk("", (), last.finish, reader.told))

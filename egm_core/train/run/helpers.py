"""The processes that make batches beside a trainer: forked from a server that has imported what they need, once.

Each would otherwise import the libraries anew: ten seconds of a core and some hundred MB. A trainer must not be
forked, for its threads may hold locks. The server only imports; its threads are idle ones of OpenBLAS and jemalloc,
which expect forks.
"""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import ForkServerContext
from typing import Final

METHOD: Final = "forkserver"


def helper_context(*modules: str) -> ForkServerContext:
    """Give the way to start helpers; their server imports the modules, unless it runs already."""
    context = multiprocessing.get_context(METHOD)
    context.set_forkserver_preload(list(modules))
    return context

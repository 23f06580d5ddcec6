"""Changes of boards that tests make at random."""

from __future__ import annotations

from hypothesis import strategies as st

CAMERAS = ("front", "left", "rear")
WORDS = ("the mug", "the box", "the can", "the bowl")
LINES = st.lists(st.sampled_from(WORDS), unique=True, max_size=4)
# A camera without a name stands for all of them.
CHANGES = st.one_of(
    st.tuples(st.just("lines"), st.sampled_from(("", *CAMERAS)), LINES),
    st.tuples(st.just("switch")),
    st.tuples(st.just("forget")),
)


def changed(board, change):
    """Give the board after a change."""
    kind, *given = change
    if kind == "lines":
        return board.instructed(given[1], given[0])
    return board.switched() if kind == "switch" else board.forgotten()

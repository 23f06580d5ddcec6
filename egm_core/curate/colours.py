"""Names of colours, and which of them one and the same line may be called."""

from __future__ import annotations

KIN = {
    "red": ("red", "scarlet", "crimson", "vermilion", "ruby", "cherry"),
    "green": ("green", "lime", "emerald", "neon green", "bright green"),
    "blue": ("blue", "azure", "cobalt", "navy", "ultramarine"),
    "yellow": ("yellow", "golden", "lemon", "amber"),
    "orange": ("orange", "amber", "tangerine"),
    "purple": ("purple", "violet", "lilac", "mauve"),
    "magenta": ("magenta", "pink", "fuchsia", "hot pink", "purple"),
    "cyan": ("cyan", "turquoise", "aqua", "teal", "light blue", "sky blue"),
    "white": ("white",),
    "black": ("black",),
    "pink": ("pink", "magenta", "rose", "fuchsia"),
}


def kin(colour: str) -> tuple[str, ...]:
    """Give the names by which people call a colour, its own first."""
    return tuple(dict.fromkeys((colour.lower(), *KIN.get(colour.lower(), ()))))

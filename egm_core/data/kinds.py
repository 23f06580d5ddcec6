"""All kinds of files that there are readers of."""

from __future__ import annotations

from egm_core.data.readers.kind import Kind
from egm_core.data.readers.referring import internvl, refer

KINDS: tuple[Kind, ...] = (
    refer.KIND,
    internvl.KIND,
)


def kinds() -> dict[str, Kind]:
    """Give the kinds by name."""
    return {kind.name: kind for kind in KINDS}

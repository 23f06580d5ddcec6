"""What is to be asked now: the instruction, its number, and whether anything is to be asked at all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """What to ask until the next order: an instruction, its number, and the number of this order.

    The epoch rises with everything that makes a running query pointless: another instruction, disabling,
    deactivating, a reset.
    """

    epoch: int
    sequence: int
    instruction: str


class Orders:
    """Keeps the instruction and the switches; every change of what is asked begins a new epoch.

    `void` says why the last epoch ended.  One thread only (the executor's) may touch it: then a result can be
    compared with the epoch and published without anything changing in between.
    """

    def __init__(self, default: str) -> None:
        self.instruction = ""
        self.sequence = 0
        self.epoch = 0
        self.void = ""
        self.enabled = True
        self.active = False
        self._instructed = False
        self.set_default(default)

    @property
    def serving(self) -> bool:
        """Whether there is something to ask."""
        return self.active and self.enabled and bool(self.instruction)

    @property
    def current(self) -> Order | None:
        """The order in force; None when nothing is to be asked."""
        return self.once if self.serving else None

    @property
    def once(self) -> Order:
        """The order to ask once, whether or not it is in force."""
        return Order(self.epoch, self.sequence, self.instruction)

    def instruct(self, instruction: str) -> bool:
        """Take an instruction verbatim (blank: stop); the one in force again changes nothing and returns False."""
        self._instructed = True
        return self._replace(instruction)

    def set_default(self, instruction: str) -> bool:
        """Take the default instruction, which holds until one was given; say whether that changes anything."""
        return not self._instructed and self._replace(instruction)

    def reset(self, default: str) -> bool:
        """Forget the instruction that was given and go back to the default; always begins a new sequence."""
        self._instructed = False
        return self._replace("", "reset") | self._replace(default, "reset")

    def enable(self, enabled: bool) -> bool:
        """Allow or forbid asking."""
        return self._switch("enabled", enabled, "enabled" if enabled else "disabled")

    def activate(self, active: bool) -> bool:
        """Follow the node's lifecycle."""
        return self._switch("active", active, "activated" if active else "deactivated")

    def _replace(self, instruction: str, void: str = "instruction_changed") -> bool:
        instruction = instruction if instruction.strip() else ""
        if instruction == self.instruction:
            return False
        self.instruction = instruction
        self.sequence += 1
        self._begin(void)
        return True

    def _switch(self, name: str, value: bool, void: str) -> bool:
        if getattr(self, name) == value:
            return False
        setattr(self, name, value)
        self._begin(void)
        return True

    def _begin(self, void: str) -> None:
        self.epoch += 1
        self.void = void

"""What is to be asked, and when a new epoch begins."""

from egm_ros.grounding.orders import Order, Orders


def serving(default: str = "") -> Orders:
    orders = Orders(default)
    orders.activate(True)
    return orders


def test_nothing_is_asked_before_activation_or_without_an_instruction():
    assert Orders("the mug").current is None
    assert serving().current is None
    assert serving("the mug").current.instruction == "the mug"


def test_an_instruction_is_kept_verbatim():
    orders = serving()
    orders.instruct("  The RED mug. ")
    assert orders.current.instruction == "  The RED mug. "


def test_every_change_begins_a_new_epoch_and_says_why():
    orders = serving("the mug")
    seen = [orders.epoch]
    for change, void in [
        (lambda: orders.instruct("the box"), "instruction_changed"),
        (lambda: orders.enable(False), "disabled"),
        (lambda: orders.enable(True), "enabled"),
        (lambda: orders.activate(False), "deactivated"),
        (lambda: orders.activate(True), "activated"),
        (lambda: orders.reset("the mug"), "reset"),
    ]:
        assert change()
        assert orders.void == void
        assert orders.epoch > max(seen)
        seen.append(orders.epoch)


def test_the_same_instruction_again_changes_nothing():
    orders = serving()
    orders.instruct("the mug")
    before = orders.current
    assert not orders.instruct("the mug")
    assert orders.current == before


def test_blank_stops_and_the_sequence_goes_on():
    orders = serving()
    orders.instruct("the mug")
    first = orders.sequence
    orders.instruct(" \t ")
    assert orders.current is None
    assert orders.instruction == ""
    orders.instruct("the mug")
    assert orders.sequence == first + 2


def test_switches_keep_the_sequence():
    orders = serving("the mug")
    first = orders.sequence
    orders.enable(False)
    assert orders.current is None
    orders.enable(True)
    assert orders.current == Order(orders.epoch, first, "the mug")


def test_the_default_holds_until_an_instruction_comes_and_again_after_reset():
    orders = serving("the mug")
    assert orders.set_default("the cup")
    assert orders.instruction == "the cup"
    orders.instruct("the box")
    assert not orders.set_default("the can")
    assert orders.instruction == "the box"
    assert orders.reset("the can")
    assert orders.instruction == "the can"
    assert orders.set_default("the bowl")


def test_reset_to_the_same_default_is_a_new_sequence():
    orders = serving("the mug")
    first = orders.sequence
    orders.reset("the mug")
    assert orders.sequence > first
    assert orders.current.instruction == "the mug"

"""What is to be asked, and what makes it void."""

from egm_core.targets.board import Place, Target
from egm_ros.grounding.asking.orders import Orders


def serving(*default: str, cameras=("",)) -> Orders:
    orders = Orders(default, cameras)
    orders.activate(True)
    return orders


def instructions(orders: Orders) -> list[str]:
    return [place.target.instruction for place in orders.places]


def test_nothing_is_asked_before_activation_or_without_an_instruction():
    assert Orders(["the mug"]).places == ()
    assert serving().places == ()
    assert instructions(serving("the mug")) == ["the mug"]


def test_every_change_voids_what_was_asked_and_says_why():
    orders = serving("the mug")
    for change, void in [
        (lambda: orders.instruct(["the box"]), "instruction_changed"),
        (lambda: orders.enable(False), "disabled"),
        (lambda: orders.enable(True), "enabled"),
        (lambda: orders.activate(False), "deactivated"),
        (lambda: orders.activate(True), "activated"),
        (lambda: orders.reset(["the mug"]), "reset"),
    ]:
        before, changes = orders.once[0], orders.changes
        assert orders.void_of(before) == ""
        assert change()
        assert (orders.void, orders.void_of(before)) == (void, void)
        assert orders.changes > changes


def test_a_refresh_means_its_line_or_nothing_where_that_has_ended_and_any_other_text_all():
    orders = serving("the mug", "the box", cameras=("front", "left"))

    def meant(camera: str, text: str) -> list[str]:
        return [place.target.instruction for place in orders.meant(camera, text) if place.camera == camera]

    assert (meant("left", "the box"), meant("left", "by hand")) == (["the box"], ["the mug", "the box"])
    orders.instruct(["the can"], "left")
    assert (meant("left", "the box"), meant("front", "the box")) == ([], ["the box"])
    assert meant("left", "by hand") == meant("left", "the can") == ["the can"]
    orders.instruct([], "left")
    assert (meant("left", "the box"), meant("left", "the can")) == (["the box"], [])
    orders.enable(False)
    assert meant("left", "by hand") == []
    orders.enable(True)
    assert meant("front", "the mug") == ["the mug"]
    orders.reset([])
    assert orders.ended("front", "the mug") and meant("front", "the mug") == []
    for number in range(1000):
        orders.instruct([f"line {number}"])
    assert meant("front", "line 998") == [] and meant("front", "line 5") == ["line 999"]
    assert len(orders._ended) <= 64


def test_a_change_of_one_target_voids_that_one_alone():
    orders = serving("the mug", "the box", cameras=("front", "left"))
    before = orders.places
    orders.instruct(["the mug", "the can"])
    voided = {place for place in before if orders.void_of(place)}
    assert {place.target.instruction for place in voided} == {"the box"}
    assert {orders.void_of(place) for place in voided} == {"instruction_changed"}
    orders.instruct(["the bowl"], "left")
    assert [(place.camera, place.target.instruction) for place in orders.places] == [
        ("front", "the mug"),
        ("front", "the can"),
        ("left", "the bowl"),
    ]
    assert orders.void_of(before[0]) == ""
    assert (orders.served(), orders.served("front"), orders.served("left")) == (
        "the mug\nthe can",
        "the mug\nthe can",
        "the bowl",
    )


def test_the_same_instruction_again_changes_nothing():
    orders = serving()
    orders.instruct(["the mug", "the box"])
    before = orders.places
    assert not orders.instruct(["the mug", "the box"])
    assert orders.places == before


def test_nothing_stops_and_the_sequence_goes_on():
    orders = serving()
    orders.instruct(["the mug"])
    first = orders.sequence
    orders.instruct([])
    assert orders.places == ()
    assert orders.instruction == orders.served() == ""
    orders.instruct(["the mug"])
    assert orders.sequence == first + 2


def test_switches_keep_the_sequence():
    orders = serving("the mug")
    first = orders.sequence
    orders.enable(False)
    assert (orders.places, orders.served()) == ((), "")
    orders.enable(True)
    assert orders.places == (Place("", Target(orders.board.epoch, first, "the mug")),)


def test_the_default_holds_until_an_instruction_comes_and_again_after_reset():
    orders = serving("the mug")
    assert orders.set_default(["the cup"])
    assert orders.instruction == "the cup"
    orders.instruct(["the box"])
    assert not orders.set_default(["the can"])
    assert orders.instruction == "the box"
    assert orders.reset(["the can"])
    assert orders.instruction == "the can"
    assert orders.set_default(["the bowl"])


def test_an_instruction_of_one_camera_leaves_the_default_of_the_others():
    orders = serving("the mug", cameras=("front", "left"))
    orders.instruct(["the box"], "front")
    assert orders.set_default(["the cup"])
    assert instructions(orders) == ["the box", "the cup"]
    orders.reset(["the cup"])
    assert instructions(orders) == ["the cup", "the cup"]


def test_reset_to_the_same_default_is_a_new_sequence():
    orders = serving("the mug")
    first = orders.sequence
    orders.reset(["the mug"])
    assert orders.sequence > first
    assert instructions(orders) == ["the mug"]


def test_a_reset_of_nothing_to_nothing_changes_nothing():
    assert not serving().reset([])


def test_once_is_asked_whatever_is_switched_off_and_of_every_camera():
    orders = Orders([], ("front", "left"))
    orders.instruct(["the mug", "the box"], "left")
    assert [(place.camera, place.target.instruction) for place in orders.once] == [
        ("front", ""),
        ("left", "the mug"),
        ("left", "the box"),
    ]


def test_the_line_of_a_target_is_counted_within_its_camera():
    orders = serving("the mug", "the box")
    mug, box = orders.places
    assert (orders.line_of(mug), orders.line_of(box)) == (1, 2)
    orders.instruct(["the box"])
    assert (orders.line_of(mug), orders.line_of(box)) == (0, 1)

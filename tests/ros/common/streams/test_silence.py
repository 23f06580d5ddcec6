"""The watch for a camera that has fallen silent."""

from egm_ros.common.streams.silence import Silence


def test_a_silence_is_told_once():
    silence = Silence()
    silence.restart(10.0)
    assert silence.broken(11.9, 2.0) == 0.0
    assert silence.broken(12.5, 2.0) == 2.5
    assert silence.broken(13.0, 2.0) == 0.0


def test_an_image_begins_a_new_silence():
    silence = Silence()
    silence.restart(10.0)
    silence.broken(13.0, 2.0)
    silence.restart(20.0)
    assert silence.broken(21.0, 2.0) == 0.0
    assert silence.broken(23.0, 2.0) == 3.0


def test_nothing_is_told_before_waiting_begins():
    assert Silence().broken(1e9, 2.0) == 0.0

"""The one-slot mailbox."""

import threading

from egm_ros.grounding.queries.mailbox import Frame, Mailbox


def test_the_newest_frame_wins_and_the_rest_is_counted():
    mailbox = Mailbox()
    for number in range(5):
        mailbox.put(Frame(number, float(number)))
    assert mailbox.take().message == 4
    assert (mailbox.received, mailbox.dropped) == (5, 4)
    assert mailbox.take() is None
    assert not mailbox.full


def test_a_taken_frame_is_not_dropped():
    mailbox = Mailbox()
    for number in range(3):
        mailbox.put(Frame(number, 0.0))
        assert mailbox.take().message == number
    assert (mailbox.received, mailbox.dropped) == (3, 0)


def test_a_waiting_thread_is_woken():
    mailbox = Mailbox()
    taken = []

    def wait() -> None:
        with mailbox.condition:
            mailbox.condition.wait_for(lambda: mailbox.full)
        taken.append(mailbox.take().message)

    thread = threading.Thread(target=wait)
    thread.start()
    mailbox.put(Frame("image", 0.0))
    thread.join(5.0)
    assert taken == ["image"]


def test_clear_forgets_frame_and_counts():
    mailbox = Mailbox()
    mailbox.put(Frame(1, 0.0))
    mailbox.put(Frame(2, 0.0))
    mailbox.clear()
    assert (mailbox.received, mailbox.dropped, mailbox.full) == (0, 0, False)

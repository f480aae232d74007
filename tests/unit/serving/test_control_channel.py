"""Questions and answers between the processes of one server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tf_serving.embedded.control_channel import ChannelClosed, ControlChannel
from tf_serving.embedded.status import Code, ServingError

Answer = Callable[[str, Any], Any]
Ends = tuple[ControlChannel, ControlChannel, socket.socket]
Pair = Callable[..., Ends]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Makes both ends, and the socket whose shutdown is the end of the right process."""
    endings: list[socket.socket] = []

    def make(left: Answer, right: Answer, closed: Callable[[], None] = lambda: None) -> Ends:
        one, other = socket.socketpair()
        endings.append(other.dup())
        ends = ControlChannel(one, left, closed), ControlChannel(other, right)
        for end in ends:
            end.start()
        return *ends, endings[-1]

    yield make
    for ending in endings:
        ending.shutdown(socket.SHUT_RDWR)
        ending.close()


def test_both_sides_ask_at_the_same_time_and_within_an_answer(pair: Pair) -> None:
    ends: list[ControlChannel] = []

    def left(question: str, body: Any) -> Any:
        return [question, body]

    def right(question: str, body: Any) -> Any:
        return ends[1].ask("back", body)

    ends += pair(left, right)[:2]
    futures = [ends[0].begin("there", number) for number in range(50)]
    assert [future.result(10) for future in futures] == [["back", number] for number in range(50)]


def test_a_slow_answer_holds_up_no_other(pair: Pair) -> None:
    go_on = threading.Event()
    ask, _, _ = pair(lambda *_: None, lambda question, _: go_on.wait(10) if question == "slow" else "done")
    slow = ask.begin("slow")
    assert ask.ask("quick", timeout_s=10) == "done"
    with pytest.raises(TimeoutError):
        ask.ask("slow", timeout_s=0.01)
    go_on.set()
    assert slow.result(10) is True


def test_errors_come_back_as_they_are(pair: Pair) -> None:
    def refuse(question: str, _: Any) -> Any:
        if question == "refused":
            raise ServingError(Code.NOT_FOUND, "Could not find any versions of model ü")
        return {}[question]

    ask, _, _ = pair(lambda *_: None, refuse)
    with pytest.raises(ServingError, match="versions of model ü") as caught:
        ask.ask("refused", timeout_s=10)
    assert caught.value.code is Code.NOT_FOUND
    with pytest.raises(ServingError, match="KeyError: 'broken'") as caught:
        ask.ask("broken", timeout_s=10)
    assert caught.value.code is Code.INTERNAL


def test_the_end_of_the_other_process_ends_all_waiting(pair: Pair) -> None:
    gone = threading.Event()
    ask, _, ending = pair(lambda *_: None, lambda *_: threading.Event().wait(10), gone.set)
    waiting = ask.begin("slow")
    ending.shutdown(socket.SHUT_RDWR)
    with pytest.raises(ChannelClosed):
        waiting.result(10)
    assert gone.wait(10)
    with pytest.raises(ChannelClosed):
        ask.ask("anything", timeout_s=10)


def test_large_messages_pass_in_both_directions_at_once(pair: Pair) -> None:
    text = "x" * 2_000_000
    ends: list[ControlChannel] = []
    ends += pair(lambda _, body: body, lambda _, body: body)[:2]
    futures = [end.begin("echo", text) for end in ends for _ in range(3)]
    assert all(future.result(20) == text for future in futures)

"""Workers in conversation: they remember, they take turns, and their end is told."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from registry.errors import KeyUnavailableError, StoreError
from registry.services.crew import Crew, Forked, Here, first_ready


def remembering() -> Callable[[Any], Any]:
    """Answers with what it was told before, and does some other things when it is told to."""
    before: list[Any] = []

    def serve(message: Any) -> Any:
        if message == "refuse":
            raise KeyUnavailableError("the key is gone", code="key.gone", hint="find it")
        if message == "break":
            raise ZeroDivisionError("a bug")
        if message == "who":
            return os.getpid()
        before.append(message)
        return list(before)

    return serve


def test_each_remembers_what_it_was_told_and_nothing_else() -> None:
    with Crew(2, remembering) as crew:
        one, other = crew.mates
        for mate in (one, one, other):
            mate.tell("a")
            last = mate.answer()
        assert last == ["a"]
        one.tell("b")
        assert one.answer() == ["a", "a", "b"]


def test_this_process_does_as_well() -> None:
    here = Here(remembering())
    here.tell("a")
    assert here.answer() == ["a"]
    assert first_ready([here]) is here


def test_what_is_refused_is_raised_here_and_the_next_is_served() -> None:
    with Crew(1, remembering) as crew:
        (mate,) = crew.mates
        mate.tell("refuse")
        with pytest.raises(KeyUnavailableError) as caught:
            mate.answer()
        assert (caught.value.code, caught.value.hint) == ("key.gone", "find it")
        mate.tell("a")
        assert mate.answer() == ["a"]


def test_a_bug_in_a_worker_says_where() -> None:
    with Crew(1, remembering) as crew:
        crew.mates[0].tell("break")
        with pytest.raises(RuntimeError, match="ZeroDivisionError: a bug"):
            crew.mates[0].answer()


def test_a_worker_that_is_ended_in_the_middle_of_an_answer_is_a_failure_with_a_name() -> None:
    with Crew(1, lambda: lambda message: bytes(1 << 24)) as crew:  # more than a pipe holds
        (mate,) = crew.mates
        mate.tell("go")
        assert mate.pipe.poll(30)
        mate._process.kill()

        with pytest.raises(StoreError) as caught:
            mate.answer()

    assert caught.value.code == "worker.ended"


@pytest.mark.parametrize("told", [False, True])
def test_a_worker_that_is_ended_from_outside_is_a_failure_with_a_name(told: bool) -> None:
    with Crew(1, remembering) as crew:
        (mate,) = crew.mates
        mate.tell("who")
        pid = mate.answer()
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)

        def talk() -> None:
            if told:
                mate.tell("a")
            mate.answer()

        with pytest.raises(StoreError) as caught:
            talk()
    assert caught.value.code == "worker.ended"


def test_none_outlives_its_crew_and_ctrl_c_is_for_the_first_process() -> None:
    pids = []
    with Crew(2, remembering) as crew:
        for mate in crew.mates:
            assert isinstance(mate, Forked)
            mate.tell("who")
            pids.append(mate.answer())
            os.kill(pids[-1], signal.SIGINT)
            mate.tell("a")
            assert mate.answer() == ["a"]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_first_that_has_an_answer_is_found() -> None:
    with Crew(2, remembering) as crew:
        crew.mates[1].tell("a")
        assert first_ready(crew.mates) is crew.mates[1]
        crew.mates[0].tell("a")
        crew.mates[0].pipe.poll(10)
        assert first_ready(crew.mates) is crew.mates[0]

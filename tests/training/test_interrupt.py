"""Signals: at once where nothing changes, later where something does, and never mistaken for another error."""

from __future__ import annotations

import os
import signal

import pytest

from cartwheel.training.interrupt import Interrupted, Interrupts, Stop


def test_a_signal_breaks_off_what_can_be_broken_off() -> None:
    interrupts = Interrupts()
    with interrupts.listening(), pytest.raises(Stop) as caught, interrupts.breakable():
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.signal == signal.SIGTERM


def test_elsewhere_it_waits() -> None:
    interrupts = Interrupts()
    with interrupts.listening():
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.pending == signal.SIGINT
        with pytest.raises(Stop):
            interrupts.check()
        with pytest.raises(Stop), interrupts.breakable():
            pytest.fail("entered with a signal pending")


def test_an_error_that_a_signal_caused_is_the_signal() -> None:
    """Compiled code turns what a signal handler raises in it into a TypeError."""
    interrupts = Interrupts()
    with interrupts.listening(), pytest.raises(Stop):
        _in_compiled_code(interrupts)


def _in_compiled_code(interrupts: Interrupts) -> None:
    with interrupts.breakable():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except Stop:
            raise TypeError("missing argument") from None


def test_other_errors_pass() -> None:
    interrupts = Interrupts()
    with interrupts.listening(), pytest.raises(TypeError, match="mine"), interrupts.breakable():
        raise TypeError("mine")


def test_a_second_signal_is_not_held_back_and_handlers_come_back() -> None:
    interrupts = Interrupts()
    before = signal.getsignal(signal.SIGINT)
    with interrupts.listening():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


def test_the_status_is_the_signals() -> None:
    assert Interrupted(signal.SIGINT, "advice").exit_status == 130
    assert Interrupted(signal.SIGTERM, "advice").exit_status == 143
    assert str(Interrupted(2, "go on")) == "interrupted; go on"

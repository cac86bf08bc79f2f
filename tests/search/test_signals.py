"""The first signal is noted, the second one ends the process with the shell's own code."""

import os
import signal
import subprocess
import sys

import pytest

from nas.search.signals import EXIT_CODES, Signalled, raise_on_signal, stop_on_signal


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_the_first_signal_is_named_and_handlers_return_after(name):
    before = {each: signal.getsignal(getattr(signal, each)) for each in EXIT_CODES}
    with stop_on_signal() as came:
        assert came() is None
        os.kill(os.getpid(), getattr(signal, name))
        assert came() == name
    assert {each: signal.getsignal(getattr(signal, each)) for each in EXIT_CODES} == before


@pytest.mark.parametrize(
    ("first", "second", "code"), [("SIGINT", "SIGINT", 130), ("SIGINT", "SIGTERM", 143)]
)
def test_the_second_signal_ends_the_process_at_once(first, second, code):
    program = (
        "import os, signal\nfrom nas.search.signals import stop_on_signal\n"
        "with stop_on_signal() as came:\n"
        f"    os.kill(os.getpid(), signal.{first})\n"
        f"    assert came() == {first!r}\n"
        f"    os.kill(os.getpid(), signal.{second})\n"
        "    print('still here')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (code, "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_work_that_can_be_left_is_left_at_once_with_the_signal_s_name(name):
    before = {each: signal.getsignal(getattr(signal, each)) for each in EXIT_CODES}
    with pytest.raises(Signalled) as left, raise_on_signal():
        os.kill(os.getpid(), getattr(signal, name))
        raise AssertionError("it goes on")
    assert str(left.value) == name
    assert not isinstance(left.value, Exception)  # so that no handler of errors takes it
    assert {each: signal.getsignal(getattr(signal, each)) for each in EXIT_CODES} == before


def test_the_codes_are_those_of_a_shell():
    assert EXIT_CODES == {"SIGINT": 128 + signal.SIGINT, "SIGTERM": 128 + signal.SIGTERM}

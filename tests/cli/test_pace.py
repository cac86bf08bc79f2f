"""What is shown within an epoch of ``nas retrain``."""

import io

import pytest

from nas.cli.console import Console
from nas.cli.pace import LINE_EVERY, PaceLine
from nas.search.pace import Pace

PACE = Pace(epoch=2, images=5_000, of=20_000, seconds=10.0)
WORDS = "epoch   2/4  25 %, 5,000 of 20,000 images  500 images/s  2m00s left"


@pytest.mark.parametrize("terminal", [True, False])
def test_an_epoch_is_redrawn_in_place_or_said_now_and_then(terminal):
    now = [0.0]
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=terminal, color_system=None)
    with PaceLine(console, clock=lambda: now[0]) as line:
        for seconds in (0.0, LINE_EVERY, LINE_EVERY + 1):
            now[0] = seconds
            line.paced(PACE, 4, 120.0)
        line.say("epoch   2/4  [bold]")
        now[0] += LINE_EVERY - 1
        line.paced(PACE, 4, 120.0)
    text = file.getvalue()
    if not terminal:
        assert text.splitlines() == [WORDS, "epoch   2/4  [bold]"]
        return
    before, after = text.split("epoch   2/4  [bold]\n")
    assert before.count(WORDS) == 3 and WORDS not in before.rpartition("\x1b[2K")[2]
    assert WORDS in after and after.rpartition("\x1b[2K")[2] == ""  # nothing stays of it

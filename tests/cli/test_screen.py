"""What we print reaches the person, what libraries print reaches the log."""

import subprocess
import sys

PROGRAM = """
import os, sys
from pathlib import Path
from nas.cli.screen import screen
descriptors = len(os.listdir("/proc/self/fd"))
print("before", end="|")
for turn in (1, 2):
    try:
        with screen(Path(sys.argv[1])) as console:
            console.print("for the person [9 of 10]" + "x" * 200, markup=False)
            os.write(1, b"of a library|")
            os.write(2, b"its error|")
            print("of Python", end="|")
            print("its warning", end="|", file=sys.stderr)
            raise KeyError
    except KeyError:
        print("after", end="|")
assert len(os.listdir("/proc/self/fd")) == descriptors
print("error", end="|", file=sys.stderr)
"""


def test_the_console_is_the_terminal_and_everything_else_goes_to_the_log(tmp_path):
    log = tmp_path / "runs" / "search.log"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(log)], capture_output=True, text=True, check=True
    )
    line = "for the person [9 of 10]" + "x" * 200 + "\n"
    assert done.stdout == f"before|{line}after|{line}after|"
    assert done.stderr == "error|"
    written = ["of a library", "its error", "of Python", "its warning"]
    assert sorted(filter(None, log.read_text().split("|"))) == sorted(2 * written)

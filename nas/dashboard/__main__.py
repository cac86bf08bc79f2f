"""The server: Streamlit's command, with the pages loaded before the first visitor comes."""

import sys

from streamlit.web.cli import main

import nas.dashboard.app  # noqa: F401  seconds that the first visitor would wait

if __name__ == "__main__":
    sys.exit(main(prog_name="streamlit"))

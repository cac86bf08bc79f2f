"""``python -m nas.search``, the same as ``nas search``."""

import sys

from nas.cli.app import main

if __name__ == "__main__":
    sys.exit(main(["search", *sys.argv[1:]]))

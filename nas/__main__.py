"""``python -m nas``, the same as ``nas``."""

import sys

from nas.cli.app import main

if __name__ == "__main__":
    sys.exit(main())

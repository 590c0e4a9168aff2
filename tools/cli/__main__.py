# SPDX-License-Identifier: GPL-2.0-only
"""Run by tools/pnode in the virtual environment, as a file: puts the repository on sys.path."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# SPDX-License-Identifier: GPL-2.0-only
"""Which suite this is."""

import subprocess
import tomllib

from tools.paths import ROOT


def suite_version() -> str:
    """Return the version of this suite: of the project, and of the commit where there is one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    try:
        described = subprocess.run(
            ["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True
        )
    except FileNotFoundError:  # a machine under test need not have it
        return str(project)
    return f"{project}+{described.stdout.strip()}" if described.returncode == 0 else str(project)

# SPDX-License-Identifier: GPL-2.0-only
"""Runs a real pytest session with the plugin in a process of its own, as the runner does.

python -m tools.report.tests.driver RUN_DIR OPTIONS_AS_JSON -- PYTEST_ARGUMENTS
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tools.report import ControllerPlugin, RunLog, finish, make_live
from tools.report.events import SCHEMA
from tools.report.tests.catalogue import CATALOGUE


def kill_worker(run_dir: Path, slot: int, reason: str, *, last_words: bool) -> None:
    """Stands in for the pool: the worker of each slot leaves its process id in the run directory."""
    (run_dir / f"killed-{slot}").write_text(reason)
    os.kill(int((run_dir / f"slot{slot}.pid").read_text()), signal.SIGKILL)


def main() -> int:
    run_dir, options, arguments = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[4:]
    if (seconds := options.pop("inquest_seconds", None)) is not None:
        options["inquest"] = lambda run_dir, slot: time.sleep(seconds)
    with RunLog(run_dir / "results.jsonl", alone=True) as log:
        if log.events:
            log.write("resume", suite="0.1.0", tests={}, argv=["run", "--resume"])
        else:
            log.write(
                "run-start",
                schema=SCHEMA,
                run="r1",
                topologies=["fast"],
                kernel={"release": "6.12.0"},
                dialect="v4",
                argv=["run"],
            )
        plugin = ControllerPlugin(log, CATALOGUE, "fast", run_dir, make_live(), kill=kill_worker, **options)
        pytest.main(arguments, plugins=[plugin])
        return finish(run_dir, log=log, catalogue=CATALOGUE)


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: GPL-2.0-only
"""Runs the kernel's make: clean environment, log kept, lines counted, first error found."""

import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tools.errors import UserError
from tools.kernel.errors import BuildError
from tools.paths import cache_dir
from tools.process import NO_SPACE, process_group

# Kbuild's short form of a command: "  CC [M]  drivers/dax/kmem.o"
STEP = re.compile(r"  (?P<command>[A-Z][A-Z0-9_+]*(?: \[M\])?)\s+(?P<target>\S+)")
ERROR = re.compile(r"(: (fatal )?error:|undefined reference|^ERROR:|\*\*\* |: not found$|No rule to make)")
WARNING = re.compile(r"warning:", re.IGNORECASE)
# What a user's shell may hold and a build must not see: it would change the result, not its key.
FOREIGN = re.compile(
    r"(ARCH|CROSS_COMPILE|MAKEFLAGS|MAKELEVEL|MFLAGS|LOCALVERSION|KBUILD_\w+|KCFLAGS|CC|LD|V|O|W)"
)

COMPILE = Path(__file__).with_name("compile")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a build: the user's without what would change the result."""
    env = {name: value for name, value in os.environ.items() if not FOREIGN.fullmatch(name)}
    env.update(LC_ALL="C", TZ="UTC")
    # The same object for the same source, wherever the cache's directories are.
    env.setdefault("CCACHE_BASEDIR", str(cache_dir()))
    env.setdefault("CCACHE_NOHASHDIR", "1")
    # Hundreds of headers are looked at for each object: once is enough.
    env.setdefault("CCACHE_INODECACHE", "1")
    return env | dict(extra or {})


def compiler_words() -> list[str]:
    """Return make's CC arguments: through ccache when it is there, and make can be told (it splits words)."""
    usable = shutil.which("ccache") and re.fullmatch(r"[\w/.+-]+", str(COMPILE))
    return [f"CC={COMPILE}", f"HOSTCC={COMPILE}"] if usable else []


def make(
    arguments: Sequence[str | Path],
    *,
    what: str,
    cwd: Path,
    log: Path,
    env: Mapping[str, str] | None = None,
    step: Callable[[str], None] = lambda text: None,
) -> list[str]:
    """Run make, append its output to `log`, call `step` for each command; return the warnings.

    Raises BuildError with the first error line and the log's path, UserError when the disk is full.
    """
    warnings: list[str] = []
    first_error: str | None = None
    full = False
    argv = ["make", *arguments]
    with log.open("a") as stream:
        stream.write(f"+ cd {cwd} && {' '.join(map(str, argv))}\n")
        stream.flush()
        with process_group(argv, cwd=cwd, env=environment(env)) as child:
            assert child.stdout is not None
            for line in child.stdout:
                stream.write(line)
                if match := STEP.match(line):
                    step(f"{match['command']} {match['target']}")
                elif any(mark in line for mark in NO_SPACE):
                    first_error, full = first_error if full else line.strip(), True
                elif first_error is None and ERROR.search(line):
                    first_error = line.strip()
                elif WARNING.search(line):
                    warnings.append(line.strip())
            status = child.wait()
    if status:
        kind = UserError if full else BuildError
        raise kind(f"{what} failed: {first_error or f'make ended with {status}'} (log: {log})")
    return warnings

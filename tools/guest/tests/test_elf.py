# SPDX-License-Identifier: GPL-2.0-only
import _ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.guest import elf
from tools.guest.errors import GuestError


def test_a_stripped_program_still_runs(tmp_path: Path) -> None:
    program = Path(os.path.realpath("/bin/ls")).read_bytes()
    small = elf.stripped(program)
    copy = tmp_path / "ls"
    copy.write_bytes(small)
    copy.chmod(0o755)
    assert len(small) < len(program)  # the section headers at least
    assert subprocess.run([copy, "/"], capture_output=True, check=True).stdout


def test_a_stripped_extension_module_still_loads(tmp_path: Path) -> None:
    original = Path(_ctypes.__file__)
    (tmp_path / original.name).write_bytes(elf.stripped(original.read_bytes()))
    code = "import _ctypes; print(_ctypes.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(tmp_path / original.name)


def test_stripping_twice_changes_nothing_more() -> None:
    small = elf.stripped(Path(os.path.realpath("/bin/ls")).read_bytes())
    assert elf.stripped(small) == small


@pytest.mark.parametrize("data", [b"", b"#!/bin/sh\n", b"\x7fELF", b"\x7fELF\x01\x01" + b"\0" * 100])
def test_what_is_no_64_bit_elf_file_stays(data: bytes) -> None:
    assert elf.stripped(data) == data


def test_libraries_of_the_interpreter() -> None:
    names = [Path(path).name for path in elf.shared_libraries([os.path.realpath(sys.executable)])]
    assert any(name.startswith("ld-linux") for name in names)
    assert any(name.startswith("libc.so") for name in names)


def test_a_missing_library_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ldd = tmp_path / "ldd"
    ldd.write_text("#!/bin/sh\nprintf '\\tlibffi.so.8 => not found\\n'\n")
    ldd.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GuestError, match=r"libffi\.so\.8 not found"):
        elf.shared_libraries(["/bin/true"])


def test_without_ldd_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GuestError, match="libc-bin"):
        elf.shared_libraries(["/bin/true"])


def test_libraries_loaded_by_name_are_found_beside_the_others(tmp_path: Path) -> None:
    (tmp_path / "libgcc_s.so.1").touch()
    assert elf.beside([str(tmp_path / "libc.so.6")], ["libgcc_s.so.1", "libnone.so"]) == [
        str(tmp_path / "libgcc_s.so.1")
    ]

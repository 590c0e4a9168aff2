# SPDX-License-Identifier: GPL-2.0-only
import json
import sys
from pathlib import Path

import pytest

from tools.errors import UserError
from tools.guest import accel, qemu, topology
from tools.guest.accel import Accel
from tools.guest.errors import GuestError
from tools.kernel.tests.test_image import bzimage


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that passes for a kernel; the cache is empty, QEMU is said to be 10.0.2."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(qemu, "version", lambda: (10, 0, 2))
    path = tmp_path / "bzImage"
    path.write_bytes(bzimage())
    return path


def playing(code: str) -> list[str]:
    """A "QEMU" that runs this code in the probe's folder."""
    return [sys.executable, "-c", f"import sys, time; out = open('console.log', 'w', buffering=1)\n{code}"]


ARRIVES = (
    "out.write('Linux\\nKernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\\n')"
)


@pytest.mark.parametrize(
    ("code", "name", "reason"),
    [
        (ARRIVES, "kvm", "KVM ran a kernel in"),
        (ARRIVES + "; time.sleep(60)", "kvm", "KVM ran a kernel in"),
        ("time.sleep(60)", "tcg", "under KVM the kernel printed nothing for"),
        ("out.write('[ 0.0] Linux\\n'); time.sleep(60)", "tcg", "stopped after 2 s at: Linux"),
        (
            "print('KVM internal error. Suberror: 1'); time.sleep(60)",
            "tcg",
            "KVM internal error. Suberror: 1",
        ),
        ("sys.exit('Could not access KVM kernel module')", "tcg", "Could not access KVM kernel module"),
    ],
)
def test_only_a_kernel_that_arrives_proves_anything(code: str, name: str, reason: str) -> None:
    found = accel.judge(playing(code), deadline=2.0, first_output=1.5)
    assert found.name == name
    assert reason in found.reason


def test_the_answer_is_kept_until_reboot_or_another_qemu(
    kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boots = []

    def judge(command: list[str], deadline: float, first_output: float) -> Accel:
        boots.append(command)
        return Accel("kvm", "KVM ran a kernel in 0.9 s")

    monkeypatch.setattr(accel, "judge", judge)
    monkeypatch.setattr(accel, "_openable", lambda: None)
    assert accel.probe(kernel) == accel.probe(kernel) == Accel("kvm", "KVM ran a kernel in 0.9 s")
    assert len(boots) == 1
    assert str(kernel) in boots[0]
    accel.probe(kernel, fresh=True)
    assert len(boots) == 2
    monkeypatch.setattr(qemu, "version", lambda: (10, 1, 0))
    accel.probe(kernel)
    assert len(boots) == 3
    boot_id = kernel.with_name("boot_id")
    boot_id.write_text("another\n")
    monkeypatch.setattr(accel, "_BOOT_ID", boot_id)
    accel.probe(kernel)
    assert len(boots) == 4


def test_a_kernel_that_does_not_boot_is_no_reason_to_do_without_kvm(
    kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = kernel.with_name("broken")
    broken.write_bytes(bzimage() + b"x")
    boots: list[str] = []

    def judge(command: list[str], deadline: float, first_output: float) -> Accel:
        boots.append(command[command.index("-kernel") + 1])
        return Accel("tcg", "it panics") if boots[-1] == str(broken) else Accel("kvm", "KVM ran a kernel")

    monkeypatch.setattr(accel, "judge", judge)
    monkeypatch.setattr(accel, "_openable", lambda: None)
    for _round in range(2):
        assert accel.probe(broken) == Accel("tcg", "it panics")
        assert accel.probe(kernel) == Accel("kvm", "KVM ran a kernel")
    assert boots == [str(broken), str(kernel)]
    third = kernel.with_name("third")
    third.write_bytes(bzimage() + b"y")
    assert accel.probe(third).name == "kvm"
    assert len(boots) == 2  # one kernel has shown it for all
    # The same name, mended.
    broken.write_bytes(bzimage() + b"z")
    assert accel.probe(broken).name == "kvm"


def test_a_kernel_that_did_not_boot_is_tried_again_when_asked(
    kernel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [Accel("tcg", "the host was busy"), Accel("kvm", "KVM ran a kernel")]
    monkeypatch.setattr(accel, "judge", lambda *_: answers.pop(0))
    monkeypatch.setattr(accel, "_openable", lambda: None)
    assert accel.probe(kernel).name == "tcg"
    assert accel.probe(kernel, fresh=True).name == "kvm"
    assert accel.probe(kernel).name == "kvm"


def test_a_broken_cache_is_no_answer(kernel: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(accel, "_openable", lambda: None)
    monkeypatch.setattr(accel, "judge", lambda *_: Accel("kvm", "asked"))
    cache = tmp_path / "cache/pnode-selftests/accel.json"
    cache.parent.mkdir(parents=True)
    key = {"key": {"boot_id": accel._BOOT_ID.read_text().strip(), "qemu": [10, 0, 2]}}
    for content in ("", "{", "[]", json.dumps({"key": None}), json.dumps(key | {"works": 1, "fails": 1})):
        cache.write_text(content)
        assert accel.probe(kernel).reason == "asked"
    # of an older pnode
    cache.write_text(json.dumps(key | {"accel": {"name": "tcg", "reason": "kept"}}))
    assert accel.probe(kernel).reason == "asked"


def test_without_a_device_nothing_is_booted(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accel, "_DEVICE", kernel.with_name("none"))
    monkeypatch.setattr(accel, "judge", lambda *_: pytest.fail("booted"))
    assert accel.probe(kernel) == Accel("tcg", "there is no /dev/kvm")


def test_a_broken_image_says_nothing_about_kvm(kernel: Path, tmp_path: Path) -> None:
    kernel.write_bytes(bzimage()[:-1])
    with pytest.raises(UserError, match="truncated"):
        accel.probe(kernel)
    assert not (tmp_path / "cache").exists()


def test_the_topologys_rule(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accel, "probe", lambda _: Accel("tcg", "there is no /dev/kvm"))
    assert accel.resolve(topology.load("fast"), kernel).reason == "there is no /dev/kvm"
    assert "cxl asks for it" in accel.resolve(topology.load("cxl"), kernel).reason
    text = (topology.FOLDER / "fast.toml").read_text().replace('"probe"', '"kvm"')
    with pytest.raises(GuestError, match="fast needs KVM, but there is no /dev/kvm"):
        accel.resolve(topology.parse("fast", text), kernel)

# SPDX-License-Identifier: GPL-2.0-only
import pytest

from helpers import knobs
from helpers.knobs import Knobs, knob, setting


@pytest.fixture
def files(machine):
    machine.file("proc/sys/vm/swappiness", "60")
    machine.file("proc/sys/kernel/numa_balancing", "1")
    machine.file("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never")
    return machine


def test_three_kinds_of_name(files):
    assert knob("vm.swappiness").path == files.root / "proc/sys/vm/swappiness"
    assert knob("kernel/mm/ksm/run").path == files.root / "sys/kernel/mm/ksm/run"
    assert str(knob("/etc/x").path) == "/etc/x"
    assert knob(knob("vm.swappiness")) == knobs.sysctl("vm.swappiness")


def test_choice(files):
    thp = knob("kernel/mm/transparent_hugepage/enabled")
    assert thp.read() == "madvise"
    assert thp.choices() == ["always", "madvise", "never"]
    assert knob("vm.swappiness").choices() == []


def test_setting_is_put_back(files):
    with setting("vm.swappiness", 10) as one:
        assert one.read() == "10"
    assert one.read() == "60"


def test_the_first_value_is_put_back_in_reverse_order(files):
    with Knobs() as several:
        assert several.set("vm.swappiness", 10) == "60"
        several.set("kernel.numa_balancing", False)
        assert knob("kernel.numa_balancing").read() == "0"
        assert several.set("vm.swappiness", 20) == "10"
    assert knob("vm.swappiness").read() == "60"
    assert knob("kernel.numa_balancing").read() == "1"


def test_restore_goes_on_after_a_failure(files):
    several = Knobs()
    several.set("kernel.numa_balancing", 0)
    several.set("vm.swappiness", 10)
    (files.root / "proc/sys/vm/swappiness").unlink()
    with pytest.raises(FileNotFoundError):
        several.restore()
    assert knob("kernel.numa_balancing").read() == "1"


def test_missing_knob(files):
    with pytest.raises(FileNotFoundError):
        Knobs().set("vm.nothing", 1)
    assert Knobs().set_if_there("vm.nothing", 1) is False


def test_an_error_names_file_and_value(files):
    with pytest.raises(FileNotFoundError, match=r"writing 5.*vm/nothing"):
        knob("vm.nothing").write(5)

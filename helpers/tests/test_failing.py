# SPDX-License-Identifier: GPL-2.0-only
from helpers import failing, paths


def test_functions_that_fail(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "SYS", tmp_path)
    assert failing.injected() == []
    file = tmp_path / "kernel/debug/fail_function/inject"
    file.parent.mkdir(parents=True)
    file.write_text("add_memory_resource\nshould_failslab\n")
    assert failing.injected() == ["add_memory_resource", "should_failslab"]
    orders = []
    monkeypatch.setattr(paths, "write_text", lambda path, value: orders.append((path, value)))
    failing.eject("should_failslab")
    assert orders == [(file, "!should_failslab")]

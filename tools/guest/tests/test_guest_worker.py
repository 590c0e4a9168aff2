# SPDX-License-Identifier: GPL-2.0-only
"""The guest's worker, as far as it needs no guest."""

import inspect
import io
import os
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
import xdist.remote
from execnet import gateway_base, gateway_bootstrap
from execnet.xspec import XSpec

from tools.guest.layers import INSIDE


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(INSIDE))
    import guest_worker

    yield guest_worker
    del sys.modules["guest_worker"]


@pytest.fixture
def known(worker: ModuleType) -> object:
    return worker.Known("execnet.gateway_base", "xdist.remote")


def first_text() -> str:
    """What execnet sends to an interpreter that it starts."""

    class Sent:
        def __init__(self) -> None:
            self.bytes = io.BytesIO()
            self.write = self.bytes.write

        def read(self, _count: int) -> bytes:
            return b"1"

    sent = Sent()
    gateway_bootstrap.bootstrap_exec(sent, XSpec("popen//python=x//id=gw0//execmodel=thread"))  # type: ignore[arg-type]
    text = eval(sent.bytes.getvalue())
    assert isinstance(text, str)
    return text


def test_exact_reads(worker: ModuleType) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"abcdef")
    assert worker.read_exactly(reader, 4) == b"abcd"
    os.close(writer)
    with pytest.raises(EOFError):
        worker.read_exactly(reader, 4)


def test_execnet_itself_is_not_compiled_again(
    known: object, worker: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []

    def counted(text: str, name: str, mode: str) -> object:
        compiled.append(text)
        return compile("served = True", name, mode)

    monkeypatch.setattr(worker, "compile", counted, raising=False)
    space: dict[str, object] = {"__name__": "__main__"}
    known.run(first_text(), space)  # type: ignore[attr-defined]
    assert space["served"]
    assert "BaseGateway" in space
    assert len(compiled) == 1
    assert "serve(io, id='gw0-worker')" in compiled[0]
    assert "class" not in compiled[0]


def test_nor_is_the_worker_of_xdist(
    known: object, worker: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = inspect.getsource(xdist.remote) + "\n", inspect.getsourcefile(xdist.remote), "exec"
    monkeypatch.setattr(worker, "compile", None, raising=False)
    assert known.compile(*sent).co_filename == sent[1]  # type: ignore[attr-defined]


def test_any_other_text_is(known: object) -> None:
    space: dict[str, object] = {}
    known.run("import os\nfound = os.getpid()", space)  # type: ignore[attr-defined]
    assert space["found"] == os.getpid()


def test_without_the_packages_all_is_compiled_when_it_comes(worker: ModuleType) -> None:
    space: dict[str, object] = {}
    worker.Known("no_such.module", "nor_this").run("found = 1", space)
    assert space["found"] == 1


def test_execnet_compiles_by_a_name_that_can_be_replaced() -> None:
    """It is looked up where its text runs, and for what is sent later."""
    assert "co = compile(source + " in inspect.getsource(gateway_base.WorkerGateway.executetask)

# SPDX-License-Identifier: GPL-2.0-only
"""What is sent to KCIDB, to a server on loopback; and the job around it."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tools.bots.kernelci import submit
from tools.bots.tests.conftest import DEVIATES, PASSES, Played


@dataclass
class Service:
    """Takes reports as KCIDB does; `status` is its answer."""

    port: int = 0
    status: int = 200
    seen: list[tuple[str, str, object]] = field(default_factory=list)

    @property
    def variable(self) -> str:
        return f"http://sesame@127.0.0.1:{self.port}"


@pytest.fixture
def service() -> Iterator[Service]:
    found = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.seen.append((self.path, self.headers["Authorization"], json.loads(body)))
            self.send_response(found.status)
            self.end_headers()
            self.wfile.write(b'{"status": "ok"}' if found.status == 200 else b"no such origin")

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def run(directory: Path, text: str = '{"tests": []}') -> str:
    directory.mkdir()
    (directory / "kcidb.json").write_text(text)
    return str(directory)


def test_a_report_is_posted_with_the_token(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(submit.VARIABLE, service.variable)
    assert submit.main([run(tmp_path / "a"), run(tmp_path / "b")]) == 0
    assert service.seen == [("/submit", "Bearer sesame", {"tests": []})] * 2
    assert capsys.readouterr().out == f'{tmp_path}/a: {{"status": "ok"}}\n{tmp_path}/b: {{"status": "ok"}}\n'


def test_a_refusal_is_a_line_without_the_token(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service.status = 403
    monkeypatch.setenv(submit.VARIABLE, service.variable)
    assert submit.main([run(tmp_path / "a")]) == 1
    told = capsys.readouterr().err
    assert told.endswith("/submit: HTTP 403 Forbidden: no such origin\n")
    assert "sesame" not in told


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("", "{}", "KCIDB_REST is not https://TOKEN@HOST[:PORT][/PATH]"),
        ("https://db.example.org", "{}", "KCIDB_REST is not https://TOKEN@HOST[:PORT][/PATH]"),
        ("https://t@db.example.org", '{"tests"', "cut short"),
        ("https://t@db.example.org", None, "no kcidb.json"),
    ],
)
def test_bad_input_sends_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    text: str | None,
    told: str,
) -> None:
    monkeypatch.setenv(submit.VARIABLE, variable)
    monkeypatch.setattr(submit, "send", lambda *_: pytest.fail("it was sent"))
    name = run(tmp_path / "a", text) if text is not None else str(tmp_path)
    assert submit.main([name]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://t@db.example.org", "https://db.example.org/submit"),
        ("https://t@db.example.org:8443/api/", "https://db.example.org:8443/api/submit"),
        ("https://t@db.example.org/submit", "https://db.example.org/submit"),
    ],
)
def test_the_address_is_read_as_kernelcis_own_client_reads_it(given: str, url: str) -> None:
    assert submit.service(given) == (url, "t")


def test_a_job_certifies_and_sends(played: Played, service: Service) -> None:
    played.suite(1, DEVIATES)
    env = {"KCIDB_REST": service.variable, "TREE": "mm-unstable", "SERIES": "v5", "ORIGIN": "lab"}
    done = played("kernelci/job.sh", "--topology", "fast", env=env)
    assert done.returncode == 1, done.stderr
    assert played.told == [
        *("run", "--output", "results", "--tree", "mm-unstable", "--series", "v5", "--kcidb-origin", "lab"),
        *("--topology", "fast"),
    ]
    assert [path for path, _, _ in service.seen] == ["/submit"]


def test_a_job_whose_report_is_refused(played: Played, service: Service) -> None:
    played.suite(0, PASSES)
    service.status = 500
    assert played("kernelci/job.sh", env={"KCIDB_REST": service.variable}).returncode == 4
    assert played("kernelci/job.sh", env={"KCIDB_REST": ""}).returncode == 0

# SPDX-License-Identifier: GPL-2.0-only
"""A headless Chromium that opens a page, driven by the DevTools protocol over two pipes: messages are JSON,
each ended by a NUL byte. The few calls that the tests need are less than a driver would be.

Source: https://chromedevtools.github.io/devtools-protocol/, --remote-debugging-pipe.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager

#: As the Debian packages chromium-headless-shell and chromium name it.
NAMES = ("chromium-headless-shell", "chromium")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)
#: Seconds for an answer; a busy machine takes a few to start a browser.
PATIENCE = 60.0


def find():
    """The browser's program, None when there is none."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Page:
    """A tab that has loaded a page. `problems` are errors of the console and of scripts, `requests` the
    addresses that it asked for."""

    def __init__(self, connection, session):
        self._connection, self._session = connection, session
        self.problems, self.requests = [], []

    def call(self, method, **parameters):
        """Ask the browser, and note what it says meanwhile."""
        return self._connection.call(method, parameters, self._session, self._note)

    def evaluate(self, expression):
        """The value of a JavaScript expression; of a promise, what it resolves to."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, f"{expression}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def settle(self):
        """Let the page do what it does after an event: longer than its own delays."""
        self.evaluate("new Promise(done => setTimeout(done, 150))")

    def type(self, selector, text):
        """Type into an element."""
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=text)
        self.settle()

    def press(self, key, code=0, text=""):
        """Press and release a key of the keyboard."""
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, text=text
            )
        self.settle()

    def screenshot(self, path, clip=None):
        """Write a PNG of the whole page, or of a part (x, y, width, height)."""
        box = clip or self.evaluate("[0, 0, document.body.scrollWidth, document.body.scrollHeight]")
        area = dict(zip(("x", "y", "width", "height"), box, strict=True), scale=1)
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=area)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _note(self, method, parameters):
        if method == "Runtime.exceptionThrown":
            self.problems.append(str(parameters["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
            self.problems.append(str(parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.problems.append(parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])


class Connection:
    """The two pipes."""

    def __init__(self, to, answers):
        self._to, self._answers = to, answers
        self._number, self._rest = 0, b""

    def call(self, method, parameters=(), session=None, note=lambda *_: None):
        """Send a command and return its result; `note(method, parameters)` gets the events before it."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": dict(parameters)}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while True:
            answer = json.loads(self._message(end))
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            if "method" in answer:
                note(answer["method"], answer["params"])

    def _message(self, end):
        while b"\0" not in self._rest:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            data = os.read(self._answers, 1 << 20)
            if not data:
                raise EOFError("the browser ended")
            self._rest += data
        message, _, self._rest = self._rest.partition(b"\0")
        return message


@contextmanager
def started(program):
    """A browser with a profile of its own; yields `open(url, dark=False, width=, script=True) -> Page`."""
    with ExitStack() as stack:
        profile = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="pnode-", ignore_cleanup_errors=True)
        )
        # Beyond 3 and 4, which they become in the browser.
        ours, theirs = zip(*(_pipe(stack, writer) for writer in (True, False)), strict=True)
        command = f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}'
        process = stack.enter_context(
            subprocess.Popen(
                ["bash", "-c", command, "browser", program, *OPTIONS, f"--user-data-dir={profile}"],
                pass_fds=theirs,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        stack.callback(process.kill)
        for fd in theirs:
            os.close(fd)
        connection = Connection(*ours)

        def open_page(url, *, dark=False, width=1280, height=1000, script=True):
            target = connection.call("Target.createTarget", {"url": "about:blank"})["targetId"]
            attach = {"targetId": target, "flatten": True}
            page = Page(connection, connection.call("Target.attachToTarget", attach)["sessionId"])
            for domain in ("Page", "Runtime", "Log", "Network"):
                page.call(f"{domain}.enable")
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            page.call("Emulation.setEmulatedMedia", features=[scheme])
            page.call(
                "Emulation.setDeviceMetricsOverride",
                width=width,
                height=height,
                deviceScaleFactor=1,
                mobile=False,
            )
            page.call("Emulation.setScriptExecutionDisabled", value=not script)
            page.call("Page.navigate", url=url)
            end = time.monotonic() + PATIENCE
            while page.evaluate("document.readyState + location.href") == "completeabout:blank" or (
                page.evaluate("document.readyState") != "complete"
            ):
                assert time.monotonic() < end, f"{url} does not load"
                time.sleep(0.02)
            if script:
                page.settle()
            return page

        yield open_page


def _pipe(stack, writer):
    """(our end, the browser's end); `writer` tells whether we write."""
    ends = []
    for fd in os.pipe():
        ends.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10))
        os.close(fd)
    ours, theirs = reversed(ends) if writer else ends
    stack.callback(os.close, ours)
    return ours, theirs

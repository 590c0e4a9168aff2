# SPDX-License-Identifier: GPL-2.0-only
"""Kconfig's dependency expressions: their value in a configuration, and what makes them false.

Grammar: Documentation/kbuild/kconfig-language.rst of the kernel, "Menu dependencies".
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

NO, MODULE, YES = 0, 1, 2
TRISTATE = {"n": NO, "m": MODULE, "y": YES}
TOKEN = re.compile(r'\s*(\(|\)|&&|\|\||!=|!|<=|>=|=|<|>|"[^"]*"|\'[^\']*\'|\$\([^)]*\)|[\w./-]+)')
ORDER: dict[str, Callable[[int, int], bool]] = {
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


@dataclass(frozen=True)
class Result:
    """The value of a part, and the symbols and comparisons that keep it from being yes."""

    value: int
    culprits: tuple[str, ...] = ()


def evaluate(text: str, config: Mapping[str, str]) -> Result:
    """Evaluate an expression; symbols that the configuration does not hold are n."""
    return _Parser(TOKEN.findall(text), config).disjunction()


def compare(left: str, operator: str, right: str) -> bool:
    """Compare as Kconfig does: order is of numbers, equality is of text."""
    if operator in ("=", "!="):
        return (left == right) == (operator == "=")
    try:
        return ORDER[operator](int(left, 0), int(right, 0))
    except ValueError:
        return False


class _Parser:
    """Recursive descent, evaluating on the way."""

    def __init__(self, tokens: list[str], config: Mapping[str, str]) -> None:
        self._tokens = list(reversed(tokens))
        self._config = config

    def _peek(self) -> str:
        return self._tokens[-1] if self._tokens else ""

    def _take(self) -> str:
        return self._tokens.pop() if self._tokens else ""

    def disjunction(self) -> Result:
        parts = [self._conjunction()]
        while self._peek() == "||":
            self._take()
            parts.append(self._conjunction())
        best = max(part.value for part in parts)
        if best == YES:
            return Result(YES)
        return Result(best, tuple(name for part in parts for name in part.culprits))

    def _conjunction(self) -> Result:
        parts = [self._negation()]
        while self._peek() == "&&":
            self._take()
            parts.append(self._negation())
        worst = min(part.value for part in parts)
        return Result(worst, tuple(name for part in parts for name in part.culprits if part.value < YES))

    def _negation(self) -> Result:
        if self._peek() == "!":
            self._take()
            named = self._peek()
            inner = self._negation()
            return Result(YES - inner.value, (f"!{named}",) if inner.value else ())
        if self._peek() == "(":
            self._take()
            result = self.disjunction()
            self._take()
            return result
        return self._comparison()

    def _comparison(self) -> Result:
        token = self._take()
        if self._peek() in ("=", "!=", *ORDER):
            operator, other = self._take(), self._take()
            if compare(self._text(token), operator, self._text(other)):
                return Result(YES)
            return Result(NO, (f"{token}{operator}{other}",))
        value = TRISTATE.get(self._text(token), NO)
        return Result(value, () if value == YES or token in TRISTATE else (token,))

    def _text(self, token: str) -> str:
        """Return the value behind a token: a constant stands for itself."""
        if token[:1] in ("'", '"'):
            return token[1:-1]
        if token in TRISTATE or re.fullmatch(r"-?\d+|0x[0-9a-fA-F]+", token):
            return token
        return self._config.get(token, "n").strip('"')

# SPDX-License-Identifier: MIT
"""What a PromQL expression selects and names: its selectors, the labels it groups by, the labels it makes.

It is no parser: that an expression is one, promtool tells. It needs to know only where a word is a metric."""

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(r"""
    (?P<space>\s+|\#[^\n]*)
  | (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
  | (?P<number>\d[\w.]*|\.\d+)
  | (?P<word>[A-Za-z_:][\w:]*)
  | (?P<sign>=~|!~|!=|==|>=|<=|[-+*/%^=<>(){}\[\],@:])
""", re.X)
_LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
_WORDS = {"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan", "start", "end"}
_MAKERS = {"label_replace", "label_join", "count_values"}


class NotPromql(ValueError):
    """No PromQL, or none that is understood here."""


@dataclass
class Expression:
    """What there is in one: [(metric or "", [(label, operator, value)])], and labels."""

    selectors: list = field(default_factory=list)
    grouped: set = field(default_factory=set)
    made: set = field(default_factory=set)


def tokens(text):
    """[(kind, text)] without what has no meaning."""
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise NotPromql(f"at {text[at:at + 20]!r}")
        if match.lastgroup != "space":
            found.append((match.lastgroup, match[0]))
        at = match.end()
    return found


def read(text):
    """An Expression."""
    reader = _Reader(tokens(text))
    while reader.left():
        reader.step()
    return reader.found


def unquote(text):
    return text[1:-1] if text[0] == "`" else re.sub(r"\\(.)", r"\1", text[1:-1])


class _Reader:
    def __init__(self, found):
        self._tokens, self._at = [*found, ("end", "")], 0
        self.found = Expression()

    def left(self):
        return self._at < len(self._tokens) - 1

    def _peek(self, ahead=0):
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)]

    def _next(self):
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, kind, what):
        if self._peek()[0] != kind:
            raise NotPromql(f"{self._peek()[1]!r} where {what} should be")
        return self._next()[1]

    def step(self):
        kind, text = self._next()
        if kind == "sign" and text == "{":
            self._selector("")
        elif kind == "sign" and text == "[":
            while self._next()[1] != "]":
                if not self.left():
                    raise NotPromql("a window without its end")
        elif kind == "word":
            self._word(text)

    def _word(self, text):
        following = self._peek()[1]
        if text in _LISTS:
            if following == "(":
                self.found.grouped |= self._list()
        elif following == "{":
            self._next()
            self._selector(text)
        elif text in _MAKERS and following == "(":
            self._made(text)
        elif following != "(" and following not in _LISTS and text.lower() not in _WORDS:
            self.found.selectors.append((text, []))

    def _list(self):
        self._next()
        labels = set()
        while self._peek()[1] != ")":
            labels.add(self._expect("word", "a label"))
            if self._peek()[1] == ",":
                self._next()
        self._next()
        return labels

    def _made(self, function):
        """The label is the first string at the call's own depth; the arguments are read as all else is."""
        ahead, depth = 0, 0
        while self._peek(ahead)[0] != "end":
            kind, text = self._peek(ahead)
            depth += (text in ("(", "{", "[")) - (text in (")", "}", "]"))
            if kind == "string" and depth == 1:
                self.found.made.add(unquote(text))
                return
            ahead += 1
        raise NotPromql(f"{function} without a label")

    def _selector(self, name):
        matchers = []
        while self._peek()[1] != "}":
            label = self._expect("word", "a label")
            operator = self._expect("sign", "an operator")
            matchers.append((label, operator, unquote(self._expect("string", "a value"))))
            if self._peek()[1] == ",":
                self._next()
        self._next()
        self.found.selectors.append((name, matchers))

"""The arithmetic of `bucket_script` and `bucket_selector`: numbers, `params.x`, operators, comparisons, `? :`, `Math`.

Painless beyond that (statements, loops, methods, texts) is refused. Evaluation is by hand, never by `eval`. As in
Painless on doubles, division by zero is infinite or not a number, which the answer shows as null.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Final, NoReturn, TypeAlias

import msgspec

from dxops.wire.es.errors import EsError

MAX_LENGTH: Final = 2_000
MAX_DEPTH: Final = 25
MAX_CALLS: Final = 100

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[dDfFL]?"
    r"|params(?:\.(?P<dotted>[A-Za-z_][A-Za-z0-9_]*)|\[\s*(?:'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\")\s*\])"
    r"|Math\.(?P<call>[a-zA-Z]+)(?=\s*\()"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<sign>&&|\|\||[<>=!]=|[-+*/%()<>?:,!])|(?P<end>;?\s*$))"
)
_LEVELS: Final = (("||",), ("&&",), ("==", "!="), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"))
_FUNCTIONS: Final[dict[str, tuple[int, Callable[..., float]]]] = {
    "abs": (1, abs),
    "ceil": (1, math.ceil),
    "floor": (1, math.floor),
    "round": (1, lambda x: math.floor(x + 0.5)),
    "sqrt": (1, math.sqrt),
    "log": (1, math.log),
    "log10": (1, math.log10),
    "exp": (1, math.exp),
    "pow": (2, math.pow),
    "min": (2, min),
    "max": (2, max),
}


class Number(msgspec.Struct, frozen=True, tag=True):
    value: float


class Variable(msgspec.Struct, frozen=True, tag=True):
    name: str


class Call(msgspec.Struct, frozen=True, tag=True):
    """`name` is an operator, `? :`, `-x`, `!x` or a function of `Math`."""

    name: str
    arguments: tuple[Expression, ...]


Expression: TypeAlias = Number | Variable | Call


def parse_expression(text: str, variables: frozenset[str]) -> Expression:
    """Raises `EsError` (`script_exception`) with the place of what is not arithmetic, or of an unknown variable."""
    if len(text) > MAX_LENGTH:
        raise EsError("script_exception", f"the expression is longer than {MAX_LENGTH} characters", key="script")
    return _Parser(text.removeprefix("return "), variables).whole()


class _Parser:
    def __init__(self, text: str, variables: frozenset[str]) -> None:
        self.text = text
        self.variables = variables
        self.at = 0
        self.depth = 0
        self.calls = 0
        self.token = self._read()

    def whole(self) -> Expression:
        found = self._choice()
        if self.token.lastgroup != "end":
            self._fail("an operator")
        return found

    def _read(self) -> re.Match[str]:
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            self._fail("arithmetic", self.at)
        self.at = found.end()
        return found

    def _fail(self, expected: str, at: int | None = None) -> NoReturn:
        place = self.token.start() if at is None else at
        found = self.text[place : place + 20].strip() or "the end"
        reason = f"compile error: expected {expected} at {place + 1}, found [{found}]; only arithmetic is supported"
        raise EsError("script_exception", reason, key="script")

    def _next(self, sign: str) -> bool:
        if self.token["sign"] != sign:
            return False
        self.token = self._read()
        return True

    def _choice(self) -> Expression:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._fail(f"at most {MAX_DEPTH} levels")
        found = self._level(0)
        if self._next("?"):
            yes = self._choice()
            if not self._next(":"):
                self._fail(":")
            found = Call("?:", (found, yes, self._choice()))
        self.depth -= 1
        return found

    def _level(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        found = self._level(level + 1)
        while (sign := self.token["sign"]) in _LEVELS[level]:
            self.token = self._read()
            self.calls += 1
            if self.calls > MAX_CALLS:
                self._fail(f"at most {MAX_CALLS} operations")
            found = Call(sign, (found, self._level(level + 1)))
        return found

    def _unary(self) -> Expression:
        signs: list[str] = []
        while (sign := self.token["sign"]) in ("-", "+", "!"):
            signs.append(sign)
            self.token = self._read()
            if len(signs) > MAX_DEPTH:
                self._fail("a number")
        found = self._primary()
        for sign in reversed(signs):
            found = Call(f"{sign}x", (found,)) if sign != "+" else found
        return found

    def _primary(self) -> Expression:
        token = self.token
        kind = token.lastgroup
        if kind == "number":
            self.token = self._read()
            return Number(float(token["number"]))
        if kind in ("dotted", "single", "double", "name"):
            return self._variable(token[kind])
        if kind == "call":
            return self._call(token["call"])
        if self._next("("):
            found = self._choice()
            if not self._next(")"):
                self._fail(")")
            return found
        self._fail("a number, params.NAME or (")

    def _variable(self, name: str) -> Expression:
        if name not in self.variables:
            known = ", ".join(sorted(self.variables))
            self._fail(f"one of {known}" if known else "no variable")
        self.token = self._read()
        return Variable(name)

    def _call(self, name: str) -> Expression:
        if name not in _FUNCTIONS:
            self._fail(f"one of {', '.join(_FUNCTIONS)}")
        self.token = self._read()
        self._next("(")
        arguments = [self._choice()]
        while self._next(","):
            arguments.append(self._choice())
        if len(arguments) != _FUNCTIONS[name][0] or not self._next(")"):
            self._fail(f"{_FUNCTIONS[name][0]} argument(s) and )")
        return Call(name, tuple(arguments))


def evaluate(expression: Expression, values: Mapping[str, float]) -> float:
    """The value; comparisons are 1 or 0. Not a number where arithmetic has none."""
    match expression:
        case Number(value):
            return value
        case Variable(name):
            return values[name]
        case Call("?:", (test, yes, no)):
            return evaluate(yes if evaluate(test, values) else no, values)
        case Call(name, arguments):
            try:
                return float(_apply(name, [evaluate(each, values) for each in arguments]))
            except (ValueError, OverflowError):
                return math.nan
    raise AssertionError(expression)


def _apply(name: str, given: list[float]) -> float:
    if name in _FUNCTIONS:
        return _FUNCTIONS[name][1](*given)
    if name in ("/", "%") and given[1] == 0:
        infinite = name == "/" and given[0] != 0 and not math.isnan(given[0])
        return math.copysign(math.inf, given[0]) if infinite else math.nan
    return _OPERATORS[name](*given)


_OPERATORS: Final[dict[str, Callable[..., float]]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": math.fmod,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "&&": lambda a, b: bool(a) and bool(b),
    "||": lambda a, b: bool(a) or bool(b),
    "-x": lambda a: -a,
    "!x": lambda a: not a,
}

"""`if`: the conditions that pipelines have in practice, out of Painless.

    ctx.event?.kind == 'alert' && (ctx.tags == null || !ctx.tags.contains('x'))

`ctx` with `.` and `?.` and `['name']`, literals, lists, `! && || == != < <= > >=`, `=~ /re/` (finds), `==~ /re/`
(matches), and the methods in METHODS. Anything else is refused when the pipeline is defined, with its position.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from dxops.wire.elastic.ingest.document import Document, ProcessorFailure, kind_of
from dxops.wire.elastic.ingest.patterns import TIMEOUT_S, BadPattern, TooSlow, compile_bounded, searched

MAX_CHARS: Final = 8000
MAX_DEPTH: Final = 40

Node = Callable[[dict[str, Any]], Any]

METHODS: Final = frozenset(
    {"contains", "startsWith", "endsWith", "equals", "equalsIgnoreCase", "isEmpty", "size", "length", "toLowerCase"}
    | {"toUpperCase", "trim", "containsKey", "indexOf", "toString", "get"}
)
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?[LlFfDd]?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
    r"|(?P<op>==~|===|!==|&&|\|\||==|!=|<=|>=|=~|\?\.|[!<>().\[\],;-]))",
    re.ASCII | re.DOTALL,
)
_PATTERN = re.compile(r"\s*/((?:[^/\\\n]|\\.)+)/")
_COMMENT = re.compile(r"\s*(?://[^\n]*|/\*.*?\*/)", re.DOTALL)
_ORDERS: Final = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class BadCondition(ValueError):
    """The message has the position (1-based) and what was expected."""


def read_condition(text: str) -> Callable[[Document], bool]:
    """Raises `BadCondition`. The result raises `ProcessorFailure` when the document makes it impossible to answer."""
    if len(text) > MAX_CHARS:
        raise BadCondition(f"the condition has more than {MAX_CHARS} characters")
    node = _Parser(text).whole()

    def holds(document: Document) -> bool:
        answer = node(document.view())
        if not isinstance(answer, bool):
            raise ProcessorFailure(f"the condition gives [{kind_of(answer)}], not a boolean", "script_exception")
        return answer

    return holds


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._depth = 0
        self._place = 0
        self._kind, self._word, self._at = "", "", 0
        self._advance()

    def whole(self) -> Node:
        if self._word == "return" and self._kind == "name":
            self._advance()
        node = self._or()
        while self._word == ";" and self._kind == "op":
            self._advance()
        if self._kind != "end":
            self._refuse("the end, && or ||")
        return node

    def _advance(self) -> None:
        while (match := _COMMENT.match(self._text, self._place)) is not None:
            self._place = match.end()
        match = _TOKEN.match(self._text, self._place)
        if match is None:
            rest = self._text[self._place :]
            self._at = self._place + len(rest) - len(rest.lstrip())
            self._kind, self._word = ("end", "") if not rest.strip() else ("bad", rest.lstrip()[:20])
            return
        self._kind = match.lastgroup or ""
        self._word, self._at = match[self._kind], match.start(self._kind)
        self._place = match.end()

    def _refuse(self, expected: str) -> None:
        found = "the end" if self._kind == "end" else f"[{self._word[:40]}]"
        raise BadCondition(
            f"position {self._at + 1}: expected {expected} but found {found}; conditions are a subset of Painless "
            "(ctx fields, literals, comparisons, && || !, and a few methods)"
        )

    def _is(self, *operators: str) -> bool:
        return self._kind == "op" and self._word in operators

    def _take(self, token: str) -> None:
        if not self._is(token):
            self._refuse(f"'{token}'")
        self._advance()

    def _or(self) -> Node:
        nodes = [self._and()]
        while self._is("||"):
            self._advance()
            nodes.append(self._and())
        return nodes[0] if len(nodes) == 1 else lambda ctx: any(_boolean(node(ctx)) for node in nodes)

    def _and(self) -> Node:
        nodes = [self._equality()]
        while self._is("&&"):
            self._advance()
            nodes.append(self._equality())
        return nodes[0] if len(nodes) == 1 else lambda ctx: all(_boolean(node(ctx)) for node in nodes)

    def _equality(self) -> Node:
        left = self._order()
        while self._is("==", "!=", "===", "!=="):
            negated = self._word[0] == "!"
            self._advance()
            left = _equality(left, self._order(), negated)
        return left

    def _order(self) -> Node:
        left = self._unary()
        if self._is("=~", "==~"):
            whole = self._word == "==~"
            match = _PATTERN.match(self._text, self._place)
            if match is None:
                raise BadCondition(f"position {self._place + 1}: expected a pattern like /text/")
            self._place = match.end()
            self._advance()
            return _matching(left, match[1], whole)
        if self._is(*_ORDERS):
            compare = _ORDERS[self._word]
            self._advance()
            return _ordered(left, self._unary(), compare)
        return left

    def _unary(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadCondition(f"position {self._at + 1}: nested deeper than {MAX_DEPTH}")
        try:
            if self._is("!"):
                self._advance()
                inner = self._unary()
                return lambda ctx: not _boolean(inner(ctx))
            if self._is("-"):
                self._advance()
                if self._kind != "number":
                    self._refuse("a number")
                number = _number(self._word)
                self._advance()
                return lambda _: -number
            return self._postfix(self._primary())
        finally:
            self._depth -= 1

    def _primary(self) -> Node:
        kind, word = self._kind, self._word
        if kind == "op" and word == "(":
            self._advance()
            node = self._or()
            self._take(")")
            return node
        if kind == "op" and word == "[":
            self._advance()
            items = self._items("]")
            return lambda ctx: [item(ctx) for item in items]
        if kind == "number":
            number = _number(word)
            self._advance()
            return lambda _: number
        if kind == "text":
            text = re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL)
            self._advance()
            return lambda _: text
        if kind == "name" and word in ("true", "false", "null"):
            constant = {"true": True, "false": False, "null": None}[word]
            self._advance()
            return lambda _: constant
        if kind != "name" or word != "ctx":
            self._refuse("ctx, a literal, '!' or '('")
        self._advance()
        return lambda ctx: ctx

    def _postfix(self, node: Node) -> Node:
        while self._is(".", "?.", "["):
            operator_ = self._word
            self._advance()
            if operator_ == "[":
                if self._kind not in ("text", "number"):
                    self._refuse("a name in quotes or a number")
                key = self._word[1:-1] if self._kind == "text" else self._word
                self._advance()
                self._take("]")
                node = _member(node, key, safe=False)
                continue
            if self._kind != "name":
                self._refuse("a field's name")
            name = self._word
            at = self._at
            self._advance()
            safe = operator_ == "?."
            if self._is("("):
                if name not in METHODS:
                    raise BadCondition(f"position {at + 1}: the method [{name[:40]}] is not supported")
                self._advance()
                node = _call(node, name, self._items(")"), safe)
            else:
                node = _member(node, name, safe)
        return node

    def _items(self, closing: str) -> list[Node]:
        items: list[Node] = []
        while not self._is(closing):
            if items:
                self._take(",")
            items.append(self._or())
        self._advance()
        return items


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _failed(f"cannot cast [{kind_of(value)}] to boolean")
    return value


def _number(text: str) -> float:
    digits = text.rstrip("LlFfDd")
    return float(digits) if "." in digits or text[-1] in "FfDd" else int(digits)


def _equality(left: Node, right: Node, negated: bool) -> Node:
    def compare(ctx: dict[str, Any]) -> bool:
        first, second = left(ctx), right(ctx)
        same = first == second and isinstance(first, bool) == isinstance(second, bool)
        return same is not negated

    return compare


def _ordered(left: Node, right: Node, compare: Callable[[Any, Any], bool]) -> Node:
    def ordered(ctx: dict[str, Any]) -> bool:
        first, second = left(ctx), right(ctx)
        for value in (first, second):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise _failed(f"cannot compare [{kind_of(first)}] with [{kind_of(second)}]")
        return compare(first, second)

    return ordered


def _matching(node: Node, pattern: str, whole: bool) -> Node:
    try:
        compiled = compile_bounded(pattern)
    except BadPattern as error:
        raise BadCondition(str(error)) from None

    def matches(ctx: dict[str, Any]) -> bool:
        value = node(ctx)
        if not isinstance(value, str):
            raise _failed(f"cannot match a pattern against [{kind_of(value)}]")
        search = partial(compiled.fullmatch if whole else compiled.search, value, timeout=TIMEOUT_S)
        try:
            found = searched(value, pattern, search)
        except TooSlow as error:
            raise _failed(str(error)) from None
        return found is not None

    return matches


def _member(node: Node, name: str, safe: bool) -> Node:
    def member(ctx: dict[str, Any]) -> Any:
        value = node(ctx)
        if isinstance(value, dict):
            return value.get(name)
        if isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            return value[int(name)]
        if value is None and safe:
            return None
        raise _failed(f"cannot access [{name}] of [{kind_of(value)}]" + ("; use ?." if value is None else ""))

    return member


def _call(node: Node, name: str, arguments: list[Node], safe: bool) -> Node:
    def call(ctx: dict[str, Any]) -> Any:
        value = node(ctx)
        if value is None and safe:
            return None
        given = [argument(ctx) for argument in arguments]
        try:
            return _method(value, name, given)
        except (TypeError, ValueError, AttributeError):
            kinds = ", ".join(map(kind_of, given))
            raise _failed(f"the method [{name}({kinds})] does not exist for [{kind_of(value)}]") from None

    return call


def _method(value: Any, name: str, given: list[Any]) -> Any:
    """Raises `TypeError`, `ValueError` or `AttributeError` for what the kind of value does not have."""
    if name == "equals" and value is not None:
        (other,) = given
        return value == other and isinstance(value, bool) == isinstance(other, bool)
    if name == "toString" and value is not None and not given:
        return str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, str):
        return _text_method(value, name, given)
    if isinstance(value, list | dict) and name in ("isEmpty", "size", "contains", "containsKey", "get", "indexOf"):
        if name in ("isEmpty", "size"):
            () = given
            return not value if name == "isEmpty" else len(value)
        (item,) = given
        if name in ("containsKey", "get") and isinstance(value, dict):
            return value.get(item) if name == "get" else item in value
        if isinstance(value, list) and name != "containsKey":
            return item in value if name == "contains" else value[item] if name == "get" else _index(value, item)
    raise TypeError


def _text_method(value: str, name: str, given: list[Any]) -> Any:
    if name in ("isEmpty", "length", "toLowerCase", "toUpperCase", "trim"):
        () = given
        answers = {"isEmpty": not value, "length": len(value), "trim": value.strip()}
        return {**answers, "toLowerCase": value.lower(), "toUpperCase": value.upper()}[name]
    (other,) = given
    if not isinstance(other, str):
        raise TypeError
    if name == "equalsIgnoreCase":
        return value.lower() == other.lower()
    if name == "contains":
        return other in value
    if name == "indexOf":
        return value.find(other)
    if name in ("startsWith", "endsWith"):
        return value.startswith(other) if name == "startsWith" else value.endswith(other)
    raise TypeError


def _index(values: list[Any], item: Any) -> int:
    return values.index(item) if item in values else -1


def _failed(reason: str) -> ProcessorFailure:
    return ProcessorFailure(reason, "script_exception")

"""Expressions of ES|QL and SQL, by precedence: or, and, not, comparisons, + -, * / %, sign, cast, primary."""

from __future__ import annotations

from typing import Any, Final, NoReturn

from dxops.wire import kql, lucene
from dxops.wire.esql import plan as p
from dxops.wire.esql.errors import VERIFICATION, EsqlError
from dxops.wire.esql.functions import ALIASES, CASTS, EVERY, SCALARS, SEARCHES, UNITS
from dxops.wire.esql.lexer import END, NAME, NUMBER, PARAMETER, SIGN, TEXT, Token
from dxops.wire.query_tree import Phrase, QuerySyntaxError, Words

MAX_DEPTH: Final = 40
MAX_CHAIN: Final = 200  # operators of one precedence in a row
MAX_ITEMS: Final = 10_000
MAX_LONG: Final = 2**63 - 1

_COMPARISONS: Final = {"==": "==", "=": "==", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_RESERVED: Final = frozenset({"and", "or", "not", "in", "is", "like", "rlike", "by", "asc", "desc", "nulls", "as"})


class Reader:
    """Walks tokens. `parameters` are values for `?`, `?1` and `?name`."""

    def __init__(self, text: str, found: list[Token], parameters: list[Any], sql: bool = False) -> None:
        self.text = text
        self.tokens = found
        self.at = 0
        self.depth = 0
        self.sql = sql
        self.positional = [each for each in parameters if not isinstance(each, dict)]
        self.named = {name: value for each in parameters if isinstance(each, dict) for name, value in each.items()}
        self.used = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def fail(self, expected: str) -> NoReturn:
        token = self.token
        found = "<EOF>" if token.kind == END else self.text[token.start : token.end][:40]
        raise EsqlError(f"mismatched input '{found}' expecting {expected}", self.text, token.start)

    def invalid(self, problem: str, token: Token) -> NoReturn:
        raise EsqlError(problem, self.text, token.start, VERIFICATION)

    def sign(self, *signs: str) -> str:
        """The sign at hand if it is one of `signs`, taken; else ""."""
        token = self.token
        if token.kind != SIGN or token.text not in signs:
            return ""
        self.at += 1
        return token.text

    def word(self, *words: str) -> bool:
        if not self.token.is_word(*words):
            return False
        self.at += 1
        return True

    def need_sign(self, sign: str) -> None:
        if not self.sign(sign):
            self.fail(f"'{sign}'")

    def need_word(self, word: str) -> None:
        if not self.word(word):
            self.fail(word.upper())

    def whole(self) -> int:
        """A whole number, taken; at most 10^18."""
        token = self.token
        if token.kind != NUMBER or not token.text.isdigit():
            self.fail("a whole number")
        self.at += 1
        return int(token.text) if len(token.text) < 19 else 10**18

    def direction(self) -> tuple[bool, bool | None]:
        """(descending, nulls first, None where that is not said) behind a key of sorting."""
        descending = self.word("desc")
        if not descending:
            self.word("asc")
        if not self.word("nulls"):
            return descending, None
        if self.word("first"):
            return descending, True
        self.need_word("last")
        return descending, False

    def source(self, start: int) -> str:
        """The query's text from token `start` to the last one taken."""
        return self.text[self.tokens[start].start : self.tokens[self.at - 1].end]

    def expression(self) -> p.Expression:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise EsqlError(f"the query is nested more than {MAX_DEPTH} deep", self.text, self.token.start)
        found = self._joined("or")
        self.depth -= 1
        return found

    def _joined(self, word: str) -> p.Expression:
        parts = [self._joined("and") if word == "or" else self._not()]
        while self.word(word):
            self._bound(len(parts), MAX_ITEMS)
            parts.append(self._joined("and") if word == "or" else self._not())
        return parts[0] if len(parts) == 1 else p.Call(word, tuple(parts))

    def _bound(self, count: int, most: int) -> None:
        if count >= most:
            raise EsqlError(f"the query has more than {most} parts in a row", self.text, self.token.start)

    def _not(self) -> p.Expression:
        negated = False
        while self.word("not"):
            negated = not negated
        found = self._comparison()
        return p.Call("not", (found,)) if negated else found

    def _comparison(self) -> p.Expression:
        left = self._sum()
        start = self.token
        if sign := self.sign(*_COMPARISONS):
            if sign == "=" and not self.sql:
                self.at -= 1
                self.fail("'==' to compare")
            return p.Call(_COMPARISONS[sign], (left, self._sum()))
        if not self.sql and self.sign(":"):
            return self._match(left, start)
        if self.word("is"):
            negated = self.word("not")
            self.need_word("null")
            return _maybe_not(p.IsNull(left), negated)
        negated = self.word("not")
        if self.word("in"):
            return _maybe_not(p.In(left, self._items()), negated)
        if self.token.is_word("like", "rlike"):
            return _maybe_not(self._like(left), negated)
        if self.sql and self.word("between"):
            low = self._sum()
            self.need_word("and")
            pair = (p.Call(">=", (left, low)), p.Call("<=", (left, self._sum())))
            return _maybe_not(p.Call("and", pair), negated)
        if negated:
            self.fail("IN, LIKE or RLIKE")
        return left

    def _items(self) -> tuple[p.Expression, ...]:
        self.need_sign("(")
        items = [self.expression()]
        while self.sign(","):
            self._bound(len(items), MAX_ITEMS)
            items.append(self.expression())
        self.need_sign(")")
        return tuple(items)

    def _like(self, left: p.Expression) -> p.Expression:
        regexp = self.token.is_word("rlike")
        self.at += 1
        if self.sign("("):
            patterns = [self._pattern()]
            while self.sign(","):
                patterns.append(self._pattern())
            self.need_sign(")")
        else:
            patterns = [self._pattern()]
        found = tuple(p.Like(left, self._wild(each, regexp), regexp) for each in patterns)
        return found[0] if len(found) == 1 else p.Call("or", found)

    def _pattern(self) -> str:
        token = self.token
        value = self._parameter() if token.kind == PARAMETER else None
        if isinstance(value, str):
            return value
        if token.kind != TEXT:
            self.fail("a quoted pattern")
        self.at += 1
        return token.text

    def _wild(self, pattern: str, regexp: bool) -> str:
        """SQL's `%` and `_` as `*` and `?`."""
        if not self.sql or regexp:
            return pattern
        literal = {"*": "\\*", "?": "\\?", "\\": "\\\\", "%": "*", "_": "?"}
        return "".join(literal.get(char, char) for char in pattern)

    def _match(self, left: p.Expression, colon: Token) -> p.Search:
        if not isinstance(left, p.Column):
            self.invalid("[:] operator takes a field before it", colon)
        value = self._primary()
        if not isinstance(value, p.Literal) or value.value is None:
            self.invalid("[:] operator takes a constant after it", colon)
        return p.Search(Words((left.name,), _text(value.value)))

    def _sum(self) -> p.Expression:
        found = self._product()
        count = 0
        while sign := self.sign("+", "-"):
            count += 1
            self._bound(count, MAX_CHAIN)
            found = p.Call(sign, (found, self._product()))
        return found

    def _product(self) -> p.Expression:
        found = self._signed()
        count = 0
        while sign := self.sign("*", "/", "%"):
            count += 1
            self._bound(count, MAX_CHAIN)
            found = p.Call(sign, (found, self._signed()))
        return found

    def _signed(self) -> p.Expression:
        negative = False
        while sign := self.sign("+", "-"):
            negative = negative != (sign == "-")
        found = self._cast()
        if not negative:
            return found
        if isinstance(found, p.Literal) and isinstance(found.value, int | float):
            return p.Literal(-found.value)
        return p.Span(-found.amount, found.unit) if isinstance(found, p.Span) else p.Call("neg", (found,))

    def _cast(self) -> p.Expression:
        found = self._primary()
        count = 0
        while self.sign("::"):
            count += 1
            self._bound(count, MAX_DEPTH)
            token = self.token
            name = CASTS.get(token.text.lower()) if token.kind == NAME else None
            if name is None:
                self.invalid(f"Unknown data type named [{token.text}]", token)
            self.at += 1
            found = p.Call(name, (found,))
        return found

    def _primary(self) -> p.Expression:
        token = self.token
        if token.kind == TEXT:
            self.at += 1
            return p.Literal(token.text)
        if token.kind == NUMBER:
            return self._number()
        if token.kind == PARAMETER:
            return p.Literal(self._parameter())
        if self.sign("("):
            found = self.expression()
            self.need_sign(")")
            return found
        if token.kind != NAME or (not token.quoted and token.text.lower() in _RESERVED):
            self.fail("an expression")
        following = self.tokens[self.at + 1]
        if following.kind == SIGN and following.text == "(" and not token.quoted:
            return self._call()
        self.at += 1
        if not token.quoted and token.text.lower() in ("true", "false", "null"):
            return p.Literal({"true": True, "false": False, "null": None}[token.text.lower()])
        return p.Column(token.text)

    def _number(self) -> p.Expression:
        token = self.token
        self.at += 1
        is_whole = token.text.isdigit()
        if is_whole and self.token.kind == NAME and (unit := UNITS.get(self.token.text.lower())):
            self.at += 1
            return p.Span(self._whole(token), unit)
        return p.Literal(self._whole(token) if is_whole else float(token.text))

    def _whole(self, token: Token) -> int:
        if len(token.text) > 19 or int(token.text) > MAX_LONG:
            self.invalid(f"[{token.text[:40]}] does not fit a long", token)
        return int(token.text)

    def _parameter(self) -> Any:
        token = self.token
        self.at += 1
        name = token.text.lstrip("?")
        if token.text.startswith("??"):
            self.invalid("parameters for names (??) are not supported", token)
        if name and not name.isdigit():
            if name not in self.named:
                self.invalid(f"Unknown query parameter [{name}]", token)
            return self._value(self.named[name], token)
        number = int(name) if name and len(name) < 6 else self.used + 1
        self.used += not name
        if not 1 <= number <= len(self.positional):
            self.invalid(f"No parameter is defined for position {number}", token)
        return self._value(self.positional[number - 1], token)

    def _value(self, value: Any, token: Token) -> Any:
        if value is not None and not isinstance(value, str | int | float | bool):
            self.invalid(f"The value of parameter [{token.text}] must be a text, number, boolean or null", token)
        return value

    def _call(self) -> p.Expression:
        token = self.token
        name = ALIASES.get(token.text.lower(), token.text.lower())
        if name not in EVERY:
            self.invalid(f"Unknown function [{token.text}]", token)
        self.at += 2
        arguments: list[p.Expression] = []
        if name == "count" and self.sign("*"):
            pass
        elif self.sql and name == "count" and self.word("distinct"):
            name, arguments = "count_distinct", [self.expression()]
        elif not (self.token.kind == SIGN and self.token.text == ")"):
            arguments.append(self.expression())
            while self.sign(","):
                arguments.append(self.expression())
        self.need_sign(")")
        least, most = EVERY[name]
        if not least <= len(arguments) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            problem = f"error building [{token.text}]: expects {wanted} arguments, found {len(arguments)}"
            self.invalid(problem, token)
        if name in SEARCHES:
            return self._search(name, arguments, token)
        return p.Call(name, tuple(arguments))

    def _search(self, name: str, arguments: list[p.Expression], token: Token) -> p.Search:
        query = arguments[-1]
        if not isinstance(query, p.Literal) or query.value is None:
            self.invalid(f"[{token.text}] function takes a constant query", token)
        text = _text(query.value)
        if name in ("match", "match_phrase"):
            field = arguments[0]
            if not isinstance(field, p.Column):
                self.invalid(f"[{token.text}] function takes a field first", token)
            return p.Search(Words((field.name,), text) if name == "match" else Phrase((field.name,), text))
        try:
            return p.Search(lucene.parse(text) if name == "qstr" else kql.parse(text))
        except QuerySyntaxError as error:
            self.invalid(f"[{token.text}] {error.message} at {error.position + 1}", token)


def _maybe_not(found: p.Expression, negated: bool) -> p.Expression:
    return p.Call("not", (found,)) if negated else found


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def children(expression: p.Expression) -> tuple[p.Expression, ...]:
    """What an expression is made of."""
    match expression:
        case p.Call(_, arguments):
            return arguments
        case p.In(value, items):
            return (value, *items)
        case p.IsNull(value) | p.Like(value):
            return (value,)
    return ()


def has_call(expression: p.Expression, names: dict[str, tuple[int, int]]) -> bool:
    """Whether a function of `names` is anywhere within."""
    pending = [expression]
    while pending:
        each = pending.pop()
        if isinstance(each, p.Call) and each.name in names and each.name not in SCALARS:
            return True
        pending.extend(children(each))
    return False


def has_search(expression: p.Expression) -> bool:
    pending = [expression]
    while pending:
        each = pending.pop()
        if isinstance(each, p.Search):
            return True
        pending.extend(children(each))
    return False

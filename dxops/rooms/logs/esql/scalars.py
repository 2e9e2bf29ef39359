"""The scalar functions of ES|QL: texts, numbers, conditions, types, arrays. Dates are in `dates`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from dxops.rooms.logs.esql.values import (
    BOOLEAN,
    DATE,
    DOUBLE,
    IP,
    KEYWORD,
    LONG,
    NULL,
    NUMBERS,
    TEXTS,
    Misuse,
    Value,
    as_type,
    boolean,
    common_type,
    constant,
    date_text,
    number,
    text,
)

Make = Callable[[Sequence[Value]], Value]

MAX_REPEATED: Final = 1 << 20


def _texts(sql: str, type_: str = KEYWORD) -> Callable[[str], Make]:
    """All arguments are texts; `{0}` are their SQL."""

    def named(name: str) -> Make:
        return lambda given: Value(sql.format(*(text(each, name) for each in given)), type_)

    return named


def _numbers(sql: str, type_: str = DOUBLE) -> Callable[[str], Make]:
    def named(name: str) -> Make:
        return lambda given: Value(sql.format(*(number(each, name) for each in given)), type_)

    return named


def _same_number(sql: str) -> Callable[[str], Make]:
    """A function that gives a long for a long."""

    def named(name: str) -> Make:
        def make(given: Sequence[Value]) -> Value:
            type_ = LONG if given[0].type == LONG else DOUBLE
            wrapped = f"toInt64({sql})" if type_ == LONG else sql
            return Value(wrapped.format(number(given[0], name)), type_)

        return make

    return named


def _concat(name: str) -> Make:
    return lambda given: Value(f"concat({', '.join(text(each, name) for each in given)})", KEYWORD)


def _substring(name: str) -> Make:
    def make(given: Sequence[Value]) -> Value:
        what, start = text(given[0], name), number(given[1], name)
        more = "" if len(given) < 3 else f", toInt64(greatest({number(given[2], name)}, 0))"
        return Value(f"substringUTF8({what}, toInt64(if({start} = 0, 1, {start})){more})", KEYWORD)

    return make


def _side(function: str) -> Callable[[str], Make]:
    def named(name: str) -> Make:
        return lambda given: Value(
            f"{function}({text(given[0], name)}, toInt64(greatest({number(given[1], name)}, 0)))", KEYWORD
        )

    return named


def _locate(name: str) -> Make:
    def make(given: Sequence[Value]) -> Value:
        start = f", toUInt64(greatest({number(given[2], name)}, 1))" if len(given) > 2 else ""
        found = f"positionUTF8({text(given[0], name)}, {text(given[1], name)}{start})"
        return Value(f"toInt64({found})", LONG)

    return make


def _repeat(name: str) -> Make:
    def make(given: Sequence[Value]) -> Value:
        what, count = text(given[0], name), number(given[1], name)
        bounded = f"if(length({what}) * {count} > {MAX_REPEATED}, NULL, toInt64(greatest({count}, 0)))"
        return Value(f"repeat({what}, {bounded})", KEYWORD)

    return make


def _split(name: str) -> Make:
    def make(given: Sequence[Value]) -> Value:
        what, separator = text(given[0], name), constant(given[1], name)
        if not isinstance(separator, str) or not separator:
            raise Misuse(f"[{name}] needs a separator, a constant text")
        parts = f"splitByString({given[1].sql}, ifNull({what}, ''))"
        return Value(f"if(isNull({what}), [], {parts})", KEYWORD, several=True)

    return make


def _round(name: str) -> Make:
    def make(given: Sequence[Value]) -> Value:
        what = number(given[0], name)
        digits = constant(given[1], name) if len(given) > 1 else 0
        if not isinstance(digits, int) or not -18 <= digits <= 18:
            raise Misuse(f"[{name}] rounds to -18 to 18 digits")
        if given[0].type == LONG and digits >= 0:
            return given[0]
        # away from zero at a half, as in Java; ClickHouse rounds to even
        scale = f"pow(10, {digits})"
        return Value(f"if(isNull({what}), NULL, sign({what}) * floor(abs({what}) * {scale} + 0.5) / {scale})", DOUBLE)

    return make


def _log(name: str) -> Make:
    def make(given: Sequence[Value]) -> Value:
        parts = [number(each, name) for each in given]
        logs = [f"log(if({each} > 0, {each}, NULL))" for each in parts]
        return Value(logs[0] if len(logs) == 1 else f"{logs[1]} / nullIf({logs[0]}, 0)", DOUBLE)

    return make


def _extreme(function: str) -> Callable[[str], Make]:
    def named(name: str) -> Make:
        def make(given: Sequence[Value]) -> Value:
            type_ = common_type(given, name)
            parts = [as_type(each, type_) for each in given]
            sql = parts[0] if len(parts) == 1 else f"{function}({', '.join(parts)})"
            return Value(sql, type_)

        return make

    return named


def _case(name: str) -> Make:
    def make(given: Sequence[Value]) -> Value:
        pairs = list(zip(given[0::2], given[1::2], strict=False))
        otherwise = given[-1] if len(given) % 2 else Value("NULL", NULL)
        type_ = common_type([value for _, value in pairs] + [otherwise], name)
        parts = [f"ifNull({boolean(test, name)}, false), {as_type(value, type_)}" for test, value in pairs]
        return Value(f"multiIf({', '.join(parts)}, {as_type(otherwise, type_)})", type_)

    return make


def _coalesce(name: str) -> Make:
    def make(given: Sequence[Value]) -> Value:
        type_ = common_type(given, name)
        return Value(f"coalesce({', '.join(as_type(each, type_) for each in given)})", type_)

    return make


def to_text(value: Value) -> Value:
    """Any value as text."""
    if value.type in TEXTS:
        return Value(value.sql, KEYWORD, value.several)
    if value.type == BOOLEAN:
        return Value(f"if(isNull({value.one}), NULL, if({value.one}, 'true', 'false'))", KEYWORD)
    if value.type == DATE:
        return Value(date_text(value.one), KEYWORD)
    return Value(f"toString({value.one})", KEYWORD)


def _to_string(name: str) -> Make:
    return lambda given: to_text(given[0])


def _to_long(name: str) -> Make:
    def make(given: Sequence[Value]) -> Value:
        value = given[0]
        one = value.one
        if value.type in TEXTS:
            whole = f"toFloat64OrNull({one})"
            return Value(f"coalesce(toInt64OrNull({one}), if(abs({whole}) < 9.2e18, toInt64({whole}), NULL))", LONG)
        if value.type == DATE:
            return Value(f"toUnixTimestamp64Milli({one})", LONG)
        if value.type == DOUBLE:
            return Value(f"if(abs({one}) < 9.2e18, toInt64({one}), NULL)", LONG)
        return Value(f"toInt64({one})", LONG)

    return make


def _to_double(name: str) -> Make:
    def make(given: Sequence[Value]) -> Value:
        value = given[0]
        if value.type in TEXTS:
            return Value(f"toFloat64OrNull({value.one})", DOUBLE)
        if value.type == DATE:
            return Value(f"toFloat64(toUnixTimestamp64Milli({value.one}))", DOUBLE)
        return Value(f"toFloat64({value.one})", DOUBLE)

    return make


def _to_boolean(name: str) -> Make:
    def make(given: Sequence[Value]) -> Value:
        value = given[0]
        if value.type in TEXTS:
            return Value(f"lower({value.one}) = 'true'", BOOLEAN)
        return value if value.type == BOOLEAN else Value(f"{number(value, name)} != 0", BOOLEAN)

    return make


def _to_ip(name: str) -> Make:
    def make(given: Sequence[Value]) -> Value:
        what = text(given[0], name)
        return Value(f"if(isIPv4String({what}) OR isIPv6String({what}), {what}, NULL)", IP)

    return make


def _of_array(sql: str, type_: str = "") -> Callable[[str], Make]:
    """`{0}` is the array; the result is of its type unless said otherwise, NULL where it is empty."""

    def named(name: str) -> Make:
        def make(given: Sequence[Value]) -> Value:
            value = given[0]
            if type_ in NUMBERS and value.type not in NUMBERS and type_ != LONG:
                number(value, name)
            return Value(f"if(empty({value.array}), NULL, {sql.format(value.array)})", type_ or value.type)

        return make

    return named


def _mv_sum(name: str) -> Make:
    def make(given: Sequence[Value]) -> Value:
        value = given[0]
        if not value.several:
            number(value, name)
        elif value.type not in NUMBERS:
            raise Misuse(f"argument of [{name}] must be [numeric], found type [{value.type}]")
        return Value(f"if(empty({value.array}), NULL, arraySum({value.array}))", value.type)

    return make


def _mv_concat(name: str) -> Make:
    def make(given: Sequence[Value]) -> Value:
        value, separator = given
        if not isinstance(constant(separator, name), str):
            raise Misuse(f"[{name}] needs a separator, a constant text")
        parts = value.array if value.type in TEXTS else f"arrayMap(e -> toString(e), {value.array})"
        return Value(f"if(empty({value.array}), NULL, arrayStringConcat({parts}, {separator.sql}))", KEYWORD)

    return make


def _mv_dedupe(name: str) -> Make:
    return lambda given: Value(f"arrayDistinct({given[0].array})", given[0].type, several=True)


_OF_NAME: Final[dict[str, Callable[[str], Make]]] = {
    "concat": _concat,
    "substring": _substring,
    "length": _texts("toInt64(lengthUTF8({0}))", LONG),
    "byte_length": _texts("toInt64(length({0}))", LONG),
    "trim": _texts("trimBoth({0})"),
    "ltrim": _texts("trimLeft({0})"),
    "rtrim": _texts("trimRight({0})"),
    "to_lower": _texts("lowerUTF8({0})"),
    "to_upper": _texts("upperUTF8({0})"),
    "replace": _texts("replaceRegexpAll({0}, {1}, {2})"),
    "left": _side("leftUTF8"),
    "right": _side("rightUTF8"),
    "starts_with": _texts("startsWith({0}, {1})", BOOLEAN),
    "ends_with": _texts("endsWith({0}, {1})", BOOLEAN),
    "locate": _locate,
    "reverse": _texts("reverseUTF8({0})"),
    "repeat": _repeat,
    "split": _split,
    "md5": _texts("lower(hex(MD5({0})))"),
    "sha1": _texts("lower(hex(SHA1({0})))"),
    "sha256": _texts("lower(hex(SHA256({0})))"),
    "abs": _same_number("abs({0})"),
    "ceil": _same_number("ceil({0})"),
    "floor": _same_number("floor({0})"),
    "round": _round,
    "sqrt": _numbers("sqrt(if({0} >= 0, {0}, NULL))"),
    "cbrt": _numbers("cbrt({0})"),
    "pow": _numbers("pow({0}, {1})"),
    "exp": _numbers("exp({0})"),
    "log": _log,
    "log10": _numbers("log10(if({0} > 0, {0}, NULL))"),
    "signum": _numbers("toFloat64(sign({0}))"),
    "greatest": _extreme("greatest"),
    "least": _extreme("least"),
    "case": _case,
    "coalesce": _coalesce,
    "to_string": _to_string,
    "to_long": _to_long,
    "to_integer": _to_long,
    "to_double": _to_double,
    "to_boolean": _to_boolean,
    "to_ip": _to_ip,
    "mv_count": _of_array("toInt64(length({0}))", LONG),
    "mv_first": _of_array("{0}[1]"),
    "mv_last": _of_array("{0}[-1]"),
    "mv_min": _of_array("arraySort({0})[1]"),
    "mv_max": _of_array("arraySort({0})[-1]"),
    "mv_sum": _mv_sum,
    "mv_avg": _of_array("arrayAvg({0})", DOUBLE),
    "mv_concat": _mv_concat,
    "mv_dedupe": _mv_dedupe,
}

SCALARS: Final[dict[str, Make]] = {name: make(name.upper()) for name, make in _OF_NAME.items()}

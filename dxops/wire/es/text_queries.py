"""Queries that search text: the match family, multi_match, query_string, simple_query_string, kql."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from dxops.wire import kql, lucene
from dxops.wire.es.body import Body
from dxops.wire.es.errors import ILLEGAL, EsError
from dxops.wire.es.query_options import (
    AUTO,
    analyzer,
    fuzziness,
    fuzzy_details,
    least_of,
    of_field,
    options,
    scalar_text,
)
from dxops.wire.es.zones import zone
from dxops.wire.query_rewrite import with_default_fields, with_time_zone
from dxops.wire.query_tree import All, AtLeast, Node, Nothing, Phrase, QuerySyntaxError, Words, both, either
from dxops.wire.text_words import words

_TYPES: Final = ("best_fields", "most_fields", "cross_fields", "phrase", "phrase_prefix", "bool_prefix")
_OPERATORS: Final = ("or", "and")


def _match(value: Any) -> Node:
    field, body = of_field("match", value, "query")
    return _words(body, (field,), _query(body, field))


def _match_bool_prefix(value: Any) -> Node:
    field, body = of_field("match_bool_prefix", value, "query")
    return _words(body, (field,), _query(body, field), last_is_prefix=True)


def _match_phrase(value: Any) -> Node:
    field, body = of_field("match_phrase", value, "query")
    return _phrase(body, (field,), _query(body, field))


def _match_phrase_prefix(value: Any) -> Node:
    field, body = of_field("match_phrase_prefix", value, "query")
    return _phrase(body, (field,), _query(body, field), last_is_prefix=True)


def _query(body: Body, field: str) -> str:
    return scalar_text(body.take("query"), body.kind, field)


def _words(body: Body, fields: tuple[str, ...], text: str, last_is_prefix: bool = False, across: bool = False) -> Node:
    """`Words` with the options of match. `across`: each word may be in another of the fields (cross_fields)."""
    count = len(words(text))
    all_words = body.choice("operator", _OPERATORS, "or") == "and"
    spec = body.take("minimum_should_match")
    least = -1 if all_words else 1
    if spec is not None and not all_words and count > 1:
        least = max(1, least_of(spec, count, body.kind))
    edits = fuzziness(body.take("fuzziness"), body.kind, None)
    prefix_length = body.integer("prefix_length", 0)
    fuzzy_details(body)
    empty = _zero_terms(body, text)
    analyzer(body)
    body.accept("lenient", "auto_generate_synonyms_phrase_query", "cutoff_frequency")
    body.close()
    if empty is not None:
        return empty
    if least > count > 0:
        return Nothing()
    if across and count > 1:
        each: list[Node] = [Words(fields, word, 1, edits, False, prefix_length) for word in words(text)]
        return both(each) if least in (-1, count) else either(each) if least == 1 else AtLeast(least, tuple(each))
    return Words(fields, text, least, edits, last_is_prefix, prefix_length)


def _phrase(body: Body, fields: tuple[str, ...], text: str, last_is_prefix: bool = False) -> Node:
    slop = body.integer("slop", 0)
    empty = _zero_terms(body, text)
    analyzer(body)
    body.accept("max_expansions", "lenient")
    body.close()
    return empty or Phrase(fields, text, slop, last_is_prefix)


def _zero_terms(body: Body, text: str) -> Node | None:
    """What a text without a word matches when told `all`; else the compiler decides, as a keyword may equal it."""
    every = body.choice("zero_terms_query", ("none", "all"), "none") == "all"
    return All() if every and not words(text) else None


def _multi_match(value: Any) -> Node:
    body = options("multi_match", value)
    text = _query(body, "query")
    fields = without_boosts(body.strings("fields"))
    kind = body.choice("type", _TYPES, "best_fields")
    body.accept("tie_breaker")
    if kind.startswith("phrase"):
        body.accept("operator", "minimum_should_match")
        return _phrase(body, fields, text, last_is_prefix=kind == "phrase_prefix")
    body.accept("slop")
    if kind == "cross_fields":
        body.refuse("fuzziness", "cross_fields takes none", (0, "0"))
    return _words(body, fields, text, last_is_prefix=kind == "bool_prefix", across=kind == "cross_fields")


def without_boosts(fields: tuple[str, ...]) -> tuple[str, ...]:
    """Field names without `^2`; `*` is any field, which is an empty tuple."""
    names = tuple(dict.fromkeys(name.partition("^")[0] for name in fields))
    return () if "*" in names else names


def _query_string(value: Any) -> Node:
    body = options("query_string", {"query": value} if isinstance(value, str) else value)
    text = body.need_text("query")
    default = body.text("default_field")
    fields = body.strings("fields") or ((default,) if default else ())
    kind = body.choice("type", _TYPES, "best_fields")
    if kind in ("phrase_prefix", "bool_prefix"):
        raise EsError(ILLEGAL, f"[query_string] with type [{kind}] is not supported; use multi_match", key="type")
    spec = body.take("minimum_should_match")
    chosen = lucene.Options(
        fields=without_boosts(fields),
        all_words=body.choice("default_operator", _OPERATORS, "or") == "and",
        phrase_slop=body.integer("phrase_slop", 0),
        edits=fuzziness(body.take("fuzziness"), "query_string", None) if "fuzziness" in body else AUTO,
        prefix_length=body.integer("fuzzy_prefix_length", 0),
        leading_wildcard=body.boolean("allow_leading_wildcard", True),
        minimum_should_match=spec,
        time_zone=body.text("time_zone"),
        words_as_phrases=kind == "phrase",
    )
    analyzer(body)
    analyzer(body, "quote_analyzer")
    fuzzy_details(body)
    body.refuse("quote_field_suffix", "name the field in the query")
    body.refuse("escape", "escape the query where it is made", (False,))
    body.accept("analyze_wildcard", "auto_generate_synonyms_phrase_query", "enable_position_increments", "lenient")
    body.accept("max_determinized_states", "tie_breaker", "auto_generate_phrase_queries")
    body.close()
    return parse_query_string(text, chosen)


def parse_query_string(text: str, chosen: lucene.Options) -> Node:
    """A query string, whose syntax errors become Elasticsearch's (`parse_exception` with the position from 1)."""
    if chosen.minimum_should_match is not None:
        least_of(chosen.minimum_should_match, 1, "query_string")
    try:
        return lucene.parse(text, chosen)
    except QuerySyntaxError as error:
        raise _string_error(text, error) from error


def _string_error(text: str, error: QuerySyntaxError) -> EsError:
    reason = f"Failed to parse query [{text[:200]}]: {error.message} at position {error.position + 1}"
    return EsError("parse_exception", f"{reason}. {error.hint}".rstrip(". "), key="query", hint=error.hint or None)


def _simple_query_string(value: Any) -> Node:
    body = options("simple_query_string", {"query": value} if isinstance(value, str) else value)
    text = body.need_text("query")
    spec = body.take("minimum_should_match")
    chosen = lucene.Options(
        fields=without_boosts(body.strings("fields")),
        all_words=body.choice("default_operator", _OPERATORS, "or") == "and",
        prefix_length=body.integer("fuzzy_prefix_length", 0),
        minimum_should_match=spec,
    )
    if spec is not None:
        least_of(spec, 1, "simple_query_string")
    flags = _flags(body.take("flags"))
    analyzer(body)
    fuzzy_details(body)
    body.refuse("quote_field_suffix", "name the field in the query")
    body.accept("analyze_wildcard", "auto_generate_synonyms_phrase_query", "lenient")
    body.close()
    try:
        return lucene.parse_simple(text, chosen, flags)
    except QuerySyntaxError as error:
        raise _string_error(text, error) from error


def _kql(value: Any) -> Node:
    body = options("kql", value)
    text = body.need_text("query")
    default, time_zone = body.text("default_field"), body.text("time_zone")
    body.refuse("case_insensitive", "keyword values are compared as they are", (False,))
    body.close()
    try:
        node = kql.parse(text)
    except QuerySyntaxError as error:
        raise _string_error(text, error) from error
    if default not in (None, "*"):
        node = with_default_fields(node, (str(default),))
    if time_zone is not None:
        zone(time_zone)
        node = with_time_zone(node, time_zone)
    return node


def _flags(value: Any) -> frozenset[str]:
    if value is None or value == -1:
        return lucene.FLAGS
    names = {each.strip() for each in str(value).upper().split("|")}
    if "ALL" in names:
        return lucene.FLAGS
    unknown = names - lucene.FLAGS - {"NONE"}
    if unknown:
        raise EsError(ILLEGAL, f"Unknown simple_query_string flag [{min(unknown)[:40]}]", key="flags")
    return frozenset(names - {"NONE"})


TEXT_QUERIES: Final[dict[str, Callable[[Any], Node]]] = {
    "match": _match,
    "match_bool_prefix": _match_bool_prefix,
    "match_phrase": _match_phrase,
    "match_phrase_prefix": _match_phrase_prefix,
    "kql": _kql,
    "multi_match": _multi_match,
    "query_string": _query_string,
    "simple_query_string": _simple_query_string,
}

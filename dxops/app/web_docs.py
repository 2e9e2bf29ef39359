"""`/api/openapi.json`, and `/api/docs`: the same as one plain page, rendered here, so that it works offline and under
the console's CSP."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Litestar, Request, Response, Router, get
from litestar.enums import MediaType
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

import dxops
from dxops.app.web_errors import ErrorBody
from dxops.console.rendering import THEME_COOKIE, render

_SEGMENTS = {
    "upkeep": "An upkeep run's id.",
    "apps": "An app's name, or its host label; percent-encode `/`.",
    "people": "A person's name.",
    "environments": "An environment's name.",
    "content": "A CID, any version and base.",
    "pins": "A CID, any version and base.",
    "releases": "A release's id: `rel_…`.",
    "diff": "A release's id: `rel_…`.",
    "runs": "A run's id: `run_…`.",
    "tokens": "A token's id: `tok_…`.",
    "sessions": "A session's id.",
    "fields": "A field's name, dotted; percent-encode `/`.",
    "lines": "The name of a stream.",
    "{stream}": "A line's `seq`.",
    "saved": "A saved search's id: `srch_…`.",
    "quarantine": "A stream of the spool, like `logs`.",
    "records": "A record's number in its stream.",
}
"""What stands after a segment of a path."""
_RAW_BODIES = {("post", "/api/content/car"): "application/vnd.ipld.car"}
_ANSWERS = {"200": "The answer.", "201": "Made.", "204": "Done; no body."}
_METHODS = ("get", "post", "put", "patch", "delete")
_SCHEMAS = "#/components/schemas/"
_DESCRIPTION = (
    "Send `Authorization: Bearer <token>`. Lists are cursor-paged (`items`, `next`). Times are RFC 3339 in UTC. "
    "Errors are `{error: {code, message, hint, field}}`."
)

Values = dict[str, Any]  # the document as plain JSON values


def openapi_config() -> OpenAPIConfig:
    """How Litestar writes the document. Its own pages for it load scripts from elsewhere, so they are shut."""

    def shut(request: Request[Any, Any, Any]) -> None:
        raise NotFoundException

    token = SecurityScheme(type="http", scheme="bearer", description="An access token, from Accounts, Tokens.")
    return OpenAPIConfig(
        title="dxops",
        version=dxops.__version__,
        description=_DESCRIPTION,
        openapi_router=Router("/api/schema", route_handlers=[], include_in_schema=False, before_request=shut),
        security=[{"token": []}],
        components=Components(security_schemes={"token": token}),
        use_handler_docstrings=True,
    )


def router() -> Router:
    """Open to all: it says nothing that the source does not."""

    @get("/openapi.json", media_type=MediaType.JSON, sync_to_thread=False)
    def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The OpenAPI document."""
        return Response(msgspec.json.encode(document(request.app)), media_type=MediaType.JSON)

    @get("/docs", sync_to_thread=False)
    def docs(request: Request[Any, Any, Any]) -> Response[str]:
        """Every operation with its parameters, body and answers."""
        described = document(request.app)
        theme = request.cookies.get(THEME_COOKIE, "")
        context: dict[str, object] = {
            "info": described["info"],
            "groups": groups(described),
            "theme": theme if theme in ("light", "dark") else "system",
        }
        return Response(render("api_docs.html", context), media_type=MediaType.HTML)

    return Router("/", route_handlers=[openapi, docs], include_in_schema=False)


def document(app: Litestar) -> Values:
    """The OpenAPI document as plain values, with our error body in place of Litestar's."""
    made = msgspec.json.decode(msgspec.json.encode(app.openapi_schema.to_schema()))
    _, errors = msgspec.json.schema_components([ErrorBody], ref_template=_SCHEMAS + "{name}")
    made["components"].setdefault("schemas", {}).update(errors)
    refused = {
        "description": "Refused: `error.code` says why.",
        "content": {"application/json": {"schema": {"$ref": f"{_SCHEMAS}{ErrorBody.__name__}"}}},
    }
    failed = refused | {"description": "Not now, or a fault of ours: `error.code` says which. Try again."}
    for path, item in made["paths"].items():
        for method, operation in item.items():
            kept = {status: answer for status, answer in operation["responses"].items() if not status.startswith("4")}
            for status, answer in kept.items():
                answer["description"] = _ANSWERS.get(status, answer["description"])
            operation["responses"] = kept | {"4XX": refused, "5XX": failed}
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path" and not parameter.get("description"):
                    parameter["description"] = _meaning(path, parameter["name"])
            raw = _RAW_BODIES.get((method, path))
            if raw is not None:
                binary = {"type": "string", "format": "binary"}
                operation["requestBody"] = {"required": True, "content": {raw: {"schema": binary}}}
    return dict(made)


def _meaning(path: str, name: str) -> str:
    """What a parameter in a path is, by the segment before it."""
    before = path.partition("{" + name + "}")[0].rstrip("/").rpartition("/")[2]
    return _SEGMENTS.get(before, "")


def groups(document: Values) -> dict[str, list[dict[str, object]]]:
    """The operations by tag, each with what a reader needs."""
    found: dict[str, list[dict[str, object]]] = {}
    for path, item in sorted(document["paths"].items()):
        for method in _METHODS:
            if method in item:
                operation = _operation(document, path, method, item[method])
                found.setdefault(item[method].get("tags", ["other"])[0], []).append(operation)
    return dict(sorted(found.items()))


def _operation(document: Values, path: str, method: str, operation: Values) -> dict[str, object]:
    body = operation.get("requestBody", {}).get("content", {})
    answers = []
    for status, answer in operation.get("responses", {}).items():
        contents: dict[str, Values] = answer.get("content", {})
        schema = next((content.get("schema") for content in contents.values()), None)
        answers.append({"status": status, "fields": _fields(document, schema), "type": _type(schema)})
    return {
        "method": method.upper(),
        "path": path,
        "id": f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}",
        "summary": operation.get("summary", ""),
        "description": operation.get("description", ""),
        "parameters": [
            {
                "name": parameter["name"],
                "in": parameter["in"],
                "type": _type(parameter.get("schema")),
                "required": parameter.get("required", False),
                "description": parameter.get("description", ""),
            }
            for parameter in operation.get("parameters", [])
        ],
        "body": [{"type": kind, "fields": _fields(document, content.get("schema"))} for kind, content in body.items()],
        "answers": answers,
    }


def _resolved(document: Values, schema: Values) -> Values:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _fields(document: Values, schema: Values | None) -> list[dict[str, object]]:
    """The properties of an object schema, one level deep: the names of deeper types lead on."""
    if not schema:
        return []
    resolved = _resolved(document, schema)
    required = resolved.get("required", [])
    return [
        {"name": name, "type": _type(kind), "required": name in required}
        for name, kind in resolved.get("properties", {}).items()
    ]


def _type(schema: Values | None) -> str:
    """A schema in words: `array of Token`, `string or null`."""
    if not schema:
        return ""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2].rpartition(".")[2].rpartition("_")[2]
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_type(option) for option in schema[key]))
    kind = schema.get("type", "")
    if kind == "array":
        return f"array of {_type(schema.get('items'))}"
    if isinstance(kind, list):
        return " or ".join(str(one) for one in kind)
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)

"""`_redirects` of a site with an origin of its own, read only when the path is not in the DAG."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from dxops.base.errors import DxopsError, Missing
from dxops.rooms.content.gateway_ask import Ask
from dxops.wire.gateway import header_text
from dxops.wire.redirects import FILE, MAX_BYTES, match_redirect, parse_redirects


class BrokenRedirects(DxopsError):
    """The site's `_redirects` cannot be used (500)."""

    default_code = "broken_redirects"


async def redirect(ask: Ask, serve: Callable[[str, int], Awaitable[None]]) -> bool:
    """Answer by the first rule that matches; `serve` gives a path of the site with a status. False: no rule."""
    try:
        found = await ask.content.dag.resolve_segments(ask.root, [FILE])
        size = (await ask.content.dag.stat(found.cid)).size_bytes
    except Missing:
        return False
    if size is None:
        return False
    end = min(size, MAX_BYTES + 1)  # one byte over the limit is enough to refuse it
    data = b"".join([chunk async for chunk in ask.content.dag.read(found.cid, 0, end)])
    rules = parse_redirects(data)
    if rules.faults:
        raise BrokenRedirects("; ".join(str(fault) for fault in rules.faults[:5]))
    path = "/" + "/".join(ask.target.segments) + ("/" if ask.target.slash and ask.target.segments else "")
    matched = match_redirect(rules.rules, path, ask.exchange.query)
    if matched is None:
        return False
    if matched.is_redirect:
        await ask.exchange.reply(matched.status, [*ask.headers, ("location", header_text(matched.target))])
        return True
    await serve(matched.target, matched.status)
    return True

"""`/assets/…`: the built front end. Names carry a hash, so browsers keep them for good."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router, get
from litestar.params import FromPath

from dxops.base.errors import Missing
from dxops.console.assets import Assets


def router(assets: Assets) -> Router:
    """Needs no credential: the sign-in page is drawn with it."""

    @get("/assets/{name:path}", opt={"public": True}, include_in_schema=False, sync_to_thread=False)
    def static(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        try:
            asset = assets.open(name.lstrip("/"))
        except Missing as error:
            return Response(error.message.encode(), status_code=404, media_type="text/plain")
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
        body = asset.body
        if asset.compressed is not None:
            headers["Vary"] = "Accept-Encoding"
            if "br" in request.headers.get("Accept-Encoding", ""):
                body = asset.compressed
                headers["Content-Encoding"] = "br"
        return Response(body, media_type=asset.content_type, headers=headers)

    return Router("/", route_handlers=[static])

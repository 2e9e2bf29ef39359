"""This installation: its processes, addresses, settings and storage."""

from __future__ import annotations

from litestar import Response, Router, get

from dxops.console.house import ConsoleHouse
from dxops.console.rendering import is_partial, page
from dxops.console.requests import AnyRequest, reader


def router(house: ConsoleHouse) -> Router:
    """`/system`."""

    @get("/system")
    async def system(request: AnyRequest) -> Response[str]:
        reader(request)
        states = await house.roles.states()
        if is_partial(request):
            return page(request, "system/roles.html", {"roles": states})
        context = {
            "roles": states,
            "addresses": house.installation.addresses(),
            "configuration": house.installation.configuration(),
            "storage": await house.installation.storage(),
        }
        return page(request, "system/system.html", context)

    return Router("/", route_handlers=[system])

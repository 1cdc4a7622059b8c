"""A server on loopback that answers what a test tells it to."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeServer:
    """`answers` is used up one by one; each request's method, path, query, headers and body are kept in `seen`."""

    def __init__(self, answers: list[Answering]) -> None:
        self.answers = answers
        self.seen: list[dict[str, Any]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.seen.append(
            {
                "method": request.method,
                "path": request.raw_path.partition("?")[0],
                "query": {name: ",".join(request.query.getall(name)) for name in request.query},
                "headers": request.headers,
                "body": body,
            }
        )
        return await self.answers.pop(0)(request)


def says(status: int, body: Any = None, **headers: str) -> Answering:
    """An answer with a JSON body; header names are written with underscores."""

    async def answer(request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body, status=status, headers=named)

    return answer


async def hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@asynccontextmanager
async def serving(*answers: Answering) -> AsyncIterator[FakeServer]:
    fake = FakeServer(list(answers))
    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", fake.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = "http://{}:{}".format(*runner.addresses[0][:2])
    try:
        yield fake
    finally:
        await runner.cleanup()

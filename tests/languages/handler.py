"""A handler in Python: says where it was asked, echoes what it is sent, streams."""

import asyncio

from componentize_py_types import Ok
from poll_loop import PollLoop, Sink, Stream, register
from wit_world import exports
from wit_world.imports import monotonic_clock
from wit_world.imports.types import Fields, Method_Post, OutgoingResponse, ResponseOutparam


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, response_out):
        loop = PollLoop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(answer(loop, request, response_out))


async def answer(loop, request, response_out):
    path = request.path_with_query() or "/"
    response = OutgoingResponse(Fields.from_list([("content-type", b"text/plain")]))
    sink = Sink(response.body())
    ResponseOutparam.set(response_out, Ok(response))
    if isinstance(request.method(), Method_Post):
        body = Stream(request.consume())
        while (chunk := await body.next()) is not None:
            await sink.send(chunk)
    elif path.endswith("/stream"):
        for n in range(5):
            await register(loop, monotonic_clock.subscribe_duration(50_000_000))
            await sink.send(f"piece {n}\n".encode())
    else:
        await sink.send(f"hello from Python at {path}\n".encode())
    sink.close()

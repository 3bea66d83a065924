"""Bounds on every request, and headers on every response."""

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The page needs nothing from elsewhere, and a browser shall not fetch it. Gradio's
# frontend compiles templates, which 'unsafe-eval' allows.
HEADERS = {
    'Content-Security-Policy': "default-src 'self'; img-src 'self' data: blob:; "
    "style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; frame-ancestors 'self'",
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
}


class _Refusal(Exception):
    """Status and text of the answer to a request that is not read further."""


class Guard:
    """ASGI middleware: bounds on every request, and headers on every response.

    Args:
        app: What it guards.
        max_bytes: Most bytes of a request's body.
        is_full: Whether there is no room for another upload.
    """

    def __init__(
        self, app: ASGIApp, max_bytes: int, is_full: Callable[[], bool]
    ) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.is_full = is_full

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request that is too large, or pass it on."""
        if scope['type'] != 'http':
            await self.app(scope, receive, send)
            return
        started, read = False, 0
        uploads = scope['path'].endswith('/upload')
        too_large = 413, f'at most {self.max_bytes / 2**20:.0f} MB are taken'
        full = 503, 'too many uploads at once: try again in a minute'

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message['type'] == 'http.response.start':
                started = True
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        async def receive_bounded() -> Message:
            nonlocal read
            message = await receive()
            body = message.get('body')
            read += len(body or b'')
            if read > self.max_bytes:
                raise _Refusal(*too_large)
            # other uploads may have filled the folder since this one began
            if uploads and body and self.is_full():
                raise _Refusal(*full)
            return message

        async def refuse(status: int, text: str) -> None:
            await PlainTextResponse(text, status)(scope, receive, send_with_headers)

        length = Headers(scope=scope).get('content-length', '0')
        if not length.isdecimal() or int(length) > self.max_bytes:
            await refuse(*too_large)
        elif uploads and self.is_full():
            await refuse(*full)
        else:
            try:
                await self.app(scope, receive_bounded, send_with_headers)
            except _Refusal as refusal:
                if started:
                    raise
                await refuse(*refusal.args)
            except TypeError:  # of gradio, where a part of an upload is no file
                if started or not uploads:
                    raise
                await refuse(400, 'an upload must be a file: give the part a filename')

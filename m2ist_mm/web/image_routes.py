"""Serves the JPEG files that the page shows."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .image_memory import ImageMemory


def image_routes(memory: ImageMemory) -> list[Route]:
    """Routes of ``preview/KEY`` and ``attention/KEY``, the images of a memory.

    The answers on the page name them instead of holding them, as gradio keeps the last
    answers of all users.
    """
    headers = {'Cache-Control': f'private, max-age={memory.idle_seconds:.0f}'}

    def route(name: str) -> Route:
        async def respond(request: Request) -> Response:
            image = memory.find(request.path_params['key'])
            content = image and getattr(image, name)
            if not content:
                return Response(status_code=404)
            return Response(content, media_type='image/jpeg', headers=headers)

        return Route(f'/{name}/{{key}}', respond)

    return [route('preview'), route('attention')]

"""The web page: an image and sentences in, boxes out; needs gradio."""

from .examples import Example, draw_examples, read_examples
from .grounding_service import GroundingService
from .limits import Limits
from .server import serve

__all__ = [
    'Example',
    'GroundingService',
    'Limits',
    'draw_examples',
    'read_examples',
    'serve',
]

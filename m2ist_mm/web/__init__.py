"""The web page: an image and sentences in, boxes out; needs gradio."""

from .examples import PHOTOGRAPHS, Example, draw_examples, read_examples
from .grounding_service import GroundingService
from .limits import Limits
from .server import serve

__all__ = [
    'PHOTOGRAPHS',
    'Example',
    'GroundingService',
    'Limits',
    'draw_examples',
    'read_examples',
    'serve',
]

"""Self-contained HTML pages: one file, nothing loaded from elsewhere."""

from .contact_sheet import contact_sheet, fill_cards
from .data_uri import encode_image
from .draw_boxes import draw_labelled_and_predicted
from .page import write_page

__all__ = [
    'contact_sheet',
    'draw_labelled_and_predicted',
    'encode_image',
    'fill_cards',
    'write_page',
]

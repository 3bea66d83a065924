"""Pages: self-contained HTML files that load nothing, and tables in Markdown."""

from .contact_sheet import contact_sheet, fill_cards
from .data_uri import encode_image
from .draw_boxes import draw_labelled_and_predicted
from .markdown_table import markdown_table
from .page import write_page

__all__ = [
    'contact_sheet',
    'draw_labelled_and_predicted',
    'encode_image',
    'fill_cards',
    'markdown_table',
    'write_page',
]

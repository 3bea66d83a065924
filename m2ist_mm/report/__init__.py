"""Self-contained HTML pages: one file, nothing loaded from elsewhere."""

from .contact_sheet import contact_sheet
from .data_uri import encode_image
from .page import write_page

__all__ = ['contact_sheet', 'encode_image', 'write_page']

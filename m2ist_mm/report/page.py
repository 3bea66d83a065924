"""HTML pages from templates."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..atomic_file import write_atomically

_PACKAGE = Path(__file__).resolve().parents[1]
_environment = Environment(
    loader=FileSystemLoader(_PACKAGE),
    autoescape=True,  # whatever the template is called
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_page(path: str | Path, template: str, **values: Any) -> None:
    """Fill a template and write the page; an older page is replaced at once.

    All text is escaped. Half a surrogate pair, as in names of files that are not
    UTF-8, becomes a question mark.

    Args:
        path: The file, ``*.html``; missing folders are made.
        template: Path of the template below ``m2ist_mm/``. It extends
            ``report/templates/page.html``, which forbids the page to load anything and
            holds its styles.
        **values: What the template asks for; ``title`` at least.

    Raises:
        OSError: The file could not be written.
    """
    page = _environment.get_template(template).render(values)
    write_atomically(path, page.encode(errors='replace'))

"""Downloads that go on where they were cut."""

import os
import shutil
import sys
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

_CHUNK = 1 << 20
_TIMEOUT_S = 60


def download(urls: Sequence[str], path: Path) -> None:
    """Fetch a file from the first address that gives it.

    What a cut download has left in ``NAME.partial`` is kept, and the next one asks for
    the rest.

    Args:
        urls (Sequence[str]): Addresses of the same file.
        path (Path): Where it goes.

    Raises:
        OSError: No address gives it, or the disk is full. Names each address with its
            error.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    errors = []
    for url in urls:
        try:
            _fetch(url, path)
            return
        except (OSError, HTTPException) as error:
            errors.append(f'{url}: {error or type(error).__name__}')
    raise OSError(f'{path.name} could not be downloaded: ' + '; '.join(errors))


def _fetch(url: str, path: Path) -> None:
    partial = path.with_name(f'{path.name}.partial')
    have = partial.stat().st_size if partial.is_file() else 0
    request = Request(url, headers={'Range': f'bytes={have}-'} if have else {})
    try:
        response = urlopen(request, timeout=_TIMEOUT_S)
    except HTTPError as error:
        with error:
            content_range = error.headers.get('Content-Range', '')
        if error.code == 416 and content_range == f'bytes */{have}':
            os.replace(partial, path)  # cut between the last byte and the renaming
            return
        raise
    with response:
        if response.status != 206:
            have = 0  # the server gives the whole file only
        length = response.headers.get('Content-Length')
        total = None if length is None else have + int(length)
        free = shutil.disk_usage(path.parent).free
        if total is not None and total - have > free:
            raise OSError(
                f'{total / 1e9:.2f} GB, and {path.parent} has {free / 1e9:.2f} GB free'
            )
        with open(partial, 'ab' if have else 'wb') as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                have += len(chunk)
                _show(path.name, have, total)
    if total is not None and have != total:
        raise OSError(f'cut after {have} of {total} bytes; run again to go on')
    os.replace(partial, path)


def _show(name: str, have: int, total: int | None) -> None:
    """Show the progress where a person looks."""
    if sys.stderr.isatty():
        of = '' if total is None else f' of {total / 1e6:,.0f}'
        end = '\n' if have == total else ''
        print(f'\r{name}: {have / 1e6:,.0f}{of} MB', end=end, file=sys.stderr)

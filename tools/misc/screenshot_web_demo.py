"""Take screenshots of the web page with an answer on it.

Needs chromium and Playwright for Python (requirements/tests.txt)::

    python tools/misc/screenshot_web_demo.py docs/images/web_demo.jpg
    python tools/misc/screenshot_web_demo.py page.jpg --image dogs.jpg \
        --sentence "the left dog" "brown dog" -- --config CONFIG --checkpoint FILE
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from m2ist_mm.engine.program import run_program

WEB_DEMO = Path(__file__).resolve().parents[1] / 'web_demo.py'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Take screenshots of the web page with an answer on it.',
        epilog='Options of tools/web_demo.py follow after a --.',
    )
    parser.add_argument(
        'out', type=Path, help='NAME.jpg or NAME.png; written are NAME-WIDTH.jpg, ...'
    )
    parser.add_argument(
        '--example',
        type=int,
        default=1,
        metavar='N',
        help='the example to show, from 1 (default: 1)',
    )
    parser.add_argument('--image', type=Path, help='image to show instead')
    parser.add_argument(
        '--sentence', nargs='+', default=[], help='sentences to ask of that image'
    )
    parser.add_argument(
        '--widths',
        type=int,
        nargs='+',
        default=[1280, 390],
        metavar='PIXELS',
        help='widths of the window (default: 1280 390)',
    )
    given = sys.argv[1:]
    end = given.index('--') if '--' in given else len(given)
    args = parser.parse_args(given[:end])
    args.options = given[end + 1 :]
    if bool(args.image) != bool(args.sentence):
        parser.error('--image and --sentence belong together')
    return args


@contextmanager
def running_page(options: list[str]) -> Iterator[str]:
    """Start the page; gives its address.

    Raises:
        ValueError: It does not start; its own messages say why.
    """
    process = subprocess.Popen(
        [sys.executable, str(WEB_DEMO), *options], stdout=subprocess.PIPE, text=True
    )
    try:
        for line in process.stdout:
            if found := re.match(r'http://\S+', line):
                yield found[0]
                return
        raise ValueError('tools/web_demo.py did not start, see above')
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Start the page, ask it, and write the screenshots."""
    args = parse_args()
    from playwright.sync_api import Error, sync_playwright

    chromium = shutil.which('chromium')
    if chromium is None:
        raise ValueError('there is no chromium: apt-get install chromium')
    with running_page(args.options) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=['--no-sandbox']
        )
        for width in args.widths:
            page = browser.new_page(viewport=dict(width=width, height=800))
            page.goto(url)
            out = args.out.with_stem(f'{args.out.stem}-{width}')
            try:
                if args.image:
                    page.fill('#sentences textarea', '\n'.join(args.sentence))
                    page.set_input_files('#upload input[type=file]', args.image)
                else:
                    page.click(f'#examples button >> nth={args.example - 1}')
                page.wait_for_selector('#result .rec-box')
                page.wait_for_timeout(500)  # of transitions
                page.screenshot(path=out, full_page=True)
            except Error as error:
                reason = str(error).partition('\n')[0]
                raise ValueError(f'{out} cannot be taken: {reason}') from error
            print(out)
        browser.close()


if __name__ == '__main__':
    sys.exit(run_program(main))

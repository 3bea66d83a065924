import base64
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from m2ist_mm.report import contact_sheet, encode_image

RED = np.full((30, 40, 3), (255, 0, 0), np.uint8)


def card(image=RED, title='a dog', lines=('IoU 0.7',)):
    return dict(image=image, title=title, lines=list(lines))


def images(page):
    """The page's images, (H, W, 3) BGR."""
    encoded = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    return [
        cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR)
        for text in encoded
    ]


def test_page_shows_images_titles_and_lines_in_order(tmp_path):
    path = tmp_path / 'new' / 'sheet.html'
    blue = np.full((8, 8, 3), (0, 0, 255), np.uint8)
    contact_sheet(
        path, 'Results', [card(), card(blue, 'a cat', ['far off', 'kind: x'])]
    )
    page = path.read_text()
    first, second = images(page)
    assert first.shape == (30, 40, 3)
    assert np.allclose(first, (0, 0, 255), atol=8)
    assert np.allclose(second, (255, 0, 0), atol=8)
    places = [
        page.index(text) for text in ('a dog', '>IoU', 'a cat', 'far off', 'kind: x')
    ]
    assert places == sorted(places)
    assert [p.name for p in path.parent.iterdir()] == ['sheet.html']


def test_text_is_escaped_everywhere(tmp_path):
    attack = '"><script>alert(1)</script> & \udcff'
    path = tmp_path / 'sheet.html'
    contact_sheet(path, attack, [card(title=attack, lines=[attack])])

    class Tags(HTMLParser):
        seen = []

        def handle_starttag(self, tag, attributes):
            self.seen.append(tag)

    page = path.read_text()
    Tags().feed(page)
    assert 'script' not in Tags.seen
    assert page.count('&lt;script&gt;') == 5  # twice the heading, thrice the card
    assert '& ' not in page


def test_page_loads_nothing_from_elsewhere(tmp_path):
    path = tmp_path / 'sheet.html'
    contact_sheet(path, 'Results', [card()])
    page = path.read_text()
    assert 'http:' not in page and 'https:' not in page
    assert "default-src 'none'" in page
    assert 'width=device-width' in page


def test_full_page_counts_what_it_leaves_out(tmp_path):
    size = len(encode_image(RED))
    drawn = []

    def cards():
        for number in range(5):
            drawn.append(number)
            yield card(title=f'card {number}')

    path = tmp_path / 'sheet.html'
    contact_sheet(path, 'Results', cards(), max_bytes=2 * size)
    page = path.read_text()
    assert len(images(page)) == 2
    assert 'card 1' in page and 'card 2' not in page
    assert '3 more not shown' in page
    assert len(drawn) == 5


def test_encoded_images_are_taken_as_they_are(tmp_path):
    path = tmp_path / 'sheet.html'
    uri = encode_image(RED)
    contact_sheet(path, 'Results', [card(uri)])
    assert uri in path.read_text()
    assert 'more not shown' not in path.read_text()


def test_no_cards_are_a_page_too(tmp_path):
    contact_sheet(tmp_path / 'sheet.html', 'Nothing', [])
    assert '<h1 dir="auto">Nothing</h1>' in (tmp_path / 'sheet.html').read_text()


def test_failure_leaves_the_old_page(tmp_path):
    path = tmp_path / 'sheet.html'
    path.write_text('old')
    with pytest.raises(ValueError, match=r'shape \(4, 4\) and type uint8'):
        contact_sheet(path, 'Results', [card(), card(np.zeros((4, 4), np.uint8))])
    assert path.read_text() == 'old'

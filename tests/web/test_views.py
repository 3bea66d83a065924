import re

import numpy as np

from m2ist_mm.visualization import expression_colors
from m2ist_mm.web import Example, draw_examples, views
from m2ist_mm.web.image_memory import OpenedImage
from m2ist_mm.web.session import Answer


def opened(width=200, height=100, name='dogs.jpg', attention=b''):
    size = (width, height)
    return OpenedImage('12ab', 'me', name, size, b'', None, 0.0456, attention)


def answer(bboxes, sentences=None, truncated=None):
    sentences = sentences or [f'dog {number}' for number in range(len(bboxes))]
    truncated = truncated or [False] * len(bboxes)
    return Answer(sentences, bboxes, truncated, 0.0123)


def styles(view):
    return re.findall(r'<div class="rec-box.*?" data-box="\d+" style="(.*?)">', view)


def test_boxes_lie_where_they_are_in_the_image():
    view = views.image_view(opened(), answer([[20, 25, 120, 75], [0, 0, 200, 100]]))
    first, second = styles(view)
    assert first.startswith('left:10.000%;top:25.000%;width:50.000%;height:50.000%;')
    assert second.startswith('left:0.000%;top:0.000%;width:100.000%;height:100.000%;')
    for style, color in zip((first, second), expression_colors(2), strict=True):
        assert '--color:rgb({},{},{});'.format(*color) in style
    assert '46 ms' in view and '2 sentences in 12 ms' in view
    assert '20, 25, 120, 75' in view
    assert 'src="preview/12ab"' in view


def test_badges_of_boxes_at_the_same_place_stand_side_by_side():
    view = views.image_view(
        opened(), answer([[20, 25, 120, 75], [21, 25, 90, 75], [80, 25, 120, 75]])
    )
    shifts = [re.search(r'--shift:(\d+)px', style)[1] for style in styles(view)]
    assert shifts == ['0', '26', '0']
    assert view.count('shared') == 1


def test_drawn_examples_are_said_to_be_no_photographs():
    image = np.zeros((4, 4, 3), np.uint8)
    photo = Example('dogs', image, ('a dog',))
    assert 'photographs' not in views.examples_title([photo])
    assert 'photographs finds little' in views.examples_title(draw_examples(1))


def test_nothing_that_a_user_sends_is_markup():
    evil = '<img src=x onerror=alert(1)>"\'&'
    view = views.image_view(
        opened(name=evil), answer([[0, 0, 1, 1]], [evil], [True]), error=evil
    )
    assert evil not in view and '<img src=x' not in view
    assert view.count('<img') == 1
    assert re.search(r'alt="&lt;img src=x onerror=alert\(1\)&gt;&quot;', view)
    assert 'longer than the model reads' in view
    assert evil not in views.error_view(evil)
    assert views.attention_view(opened(), evil).count('<img') == 1


def test_every_drawing_of_attention_has_its_own_address():
    drawings = [opened(attention=content) for content in (b'one', b'other', b'one')]
    first, other, again = (views.attention_view(one, 'dog') for one in drawings)
    assert 'src="attention/12ab?' in first
    assert first == again != other

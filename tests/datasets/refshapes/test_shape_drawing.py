import cv2
import numpy as np
import pytest

from m2ist_mm.datasets.refshapes.random_source import Random
from m2ist_mm.datasets.refshapes.refcoco_files import JPEG_OPTIONS
from m2ist_mm.datasets.refshapes.scene_sampling import sample_scene
from m2ist_mm.datasets.refshapes.shape_drawing import draw_shape
from m2ist_mm.datasets.refshapes.split import Split
from m2ist_mm.datasets.refshapes.vocabulary import COLORS


def test_boxes_are_tight_on_the_color_in_a_written_image():
    """Without clutter, a line of which may touch a shape in its very color."""
    split = Split('clean', clutter=0)
    errors = []
    for seed in range(60):
        scene, drawn = sample_scene(split, 160, Random([seed]))
        jpeg = cv2.imencode('.jpg', drawn[..., ::-1], JPEG_OPTIONS)[1]
        pixels = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)[..., ::-1].astype(int)
        for shape in scene.shapes:
            x, y, w, h = shape.box
            left, top = max(x - 4, 0), max(y - 4, 0)
            frame = (left, top, x + w + 4, y + h + 4)
            if any(meets(frame, s.box) for s in scene.shapes if s is not shape):
                continue
            window = pixels[top : frame[3], left : frame[2]]
            color = np.array(COLORS[shape.color])
            ground = np.median(np.concatenate([window[0], window[-1]]), axis=0)
            reach = np.linalg.norm(ground - color) / 2
            mask = np.linalg.norm(window - color, axis=-1) < reach
            # The largest patch: a rim of plain color joins every shape.
            labels, stats = cv2.connectedComponentsWithStats(mask.astype(np.uint8))[1:3]
            largest = 1 + stats[1:, cv2.CC_STAT_AREA].argmax()
            rows, columns = np.nonzero(labels == largest)
            seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            errors.append(
                np.abs(np.add(seen, (left, top) * 2) - (x, y, x + w, y + h)).max()
            )
    assert len(errors) > 150
    assert np.max(errors) <= 1, sorted(errors)[-10:]


def meets(frame, bbox):
    x, y, w, h = bbox
    return x < frame[2] and x + w > frame[0] and y < frame[3] and y + h > frame[1]


@pytest.mark.parametrize('color, ink', [('red', 255), ('white', 63)])
@pytest.mark.parametrize('texture', ['plain', 'striped', 'dotted'])
def test_ink_of_a_texture_leaves_a_rim_of_plain_color(texture, color, ink):
    paint, opacity = draw_shape('circle', color, texture, 40, Random([0]))
    assert paint.shape[:2] == opacity.shape == (42, 42)
    y, x = np.mgrid[:42, :42] - 20.5
    distance = np.hypot(x, y)
    rim = paint[(distance > 19.5) & (distance < 20.5)]
    np.testing.assert_allclose(rim, np.broadcast_to(rim[0], rim.shape), atol=0.1)
    np.testing.assert_allclose(rim[0], COLORS[color], rtol=0.08)
    blue = paint[distance < 17, 2]
    inked = np.abs(blue - ink) < 8
    assert 0.1 < inked.mean() < 0.5 if texture != 'plain' else not inked.any()

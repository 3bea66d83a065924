from collections import defaultdict

SIZE = 160


def test_boxes_lie_inside_and_hardly_overlap(instances):
    boxes = defaultdict(list)
    for a in instances['annotations']:
        x, y, w, h = a['bbox']
        assert 0 < x and 0 < y and x + w < SIZE and y + h < SIZE
        assert 12 <= max(w, h) <= 64
        assert a['area'] == w * h
        boxes[a['image_id']].append((x, y, x + w, y + h))
    for group in boxes.values():
        for i, a in enumerate(group):
            for b in group[:i]:
                w = min(a[2], b[2]) - max(a[0], b[0])
                h = min(a[3], b[3]) - max(a[1], b[1])
                both = max(w, 0) * max(h, 0)
                areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
                assert both / (sum(areas) - both) <= 0.05

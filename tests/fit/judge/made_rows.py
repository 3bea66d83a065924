"""Rows, answers and predictions, for the tests of this folder."""

LEFT, RIGHT = [0, 0, 40, 100], [60, 0, 100, 100]


def make_row(sent_id, image, expression, bbox, **values):
    return dict(
        image=image,
        width=100,
        height=100,
        expression=expression,
        bbox=bbox,
        sent_id=sent_id,
        **values,
    )


def make_answer(sent_id, iou, image=None, **values):
    """An answer of which only the IoU counts."""
    row = make_row(sent_id, image or f'{sent_id}.png', 'a dog', LEFT)
    return dict(row, predicted=LEFT, iou=iou, truncated=False, **values)


def predictions_of(rows, boxes, overlaps):
    return [
        dict(
            label=0,
            sent_id=row['sent_id'],
            img_path=row['image'],
            dataset=None,
            split='test',
            kind=row.get('kind'),
            text=row['expression'],
            truncated=False,
            pred_bbox=box,
            gt_bbox=row['bbox'],
            iou=iou,
        )
        for row, box, iou in zip(rows, boxes, overlaps, strict=True)
    ]

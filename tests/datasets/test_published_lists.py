"""TransVG's own lists, where TRANSVG_LISTS_ROOT names a folder that has them."""

import os
from pathlib import Path

import pytest

from m2ist_mm.datasets import PUBLISHED_COUNTS, DatasetError, RECFileDataset

FOLDER = os.environ.get('TRANSVG_LISTS_ROOT')
# prefix: form of the boxes, name of the counts, longest side of the images
LISTS = {
    'unc': ('xywh', 'refcoco_unc', 640),
    'referit': ('xyxy', 'referit_berkeley', 480),
    'flickr': ('xyxy', 'flickr30k', 500),
}
PATHS = sorted(Path(FOLDER).glob('*_*.pth')) if FOLDER else []
pytestmark = pytest.mark.skipif(not PATHS, reason='TRANSVG_LISTS_ROOT names no lists')


def build(path, bbox_form):
    prefix, split = path.stem.split('_')
    return RECFileDataset(
        data_root=str(path.parent),
        ann_file=f'{prefix}_{{split}}.pth',
        split=split,
        file_format='transvg',
        bbox_form=bbox_form,
        expected_count=LISTS[prefix][1],
        check_images=False,
        serialize_data=False,
    )


@pytest.mark.parametrize('path', PATHS, ids=lambda path: path.stem)
def test_list_has_the_published_count_and_its_boxes_their_form(path):
    prefix, split = path.stem.split('_')
    form, counts, side = LISTS[prefix]
    dataset = build(path, form)
    assert len(dataset) == PUBLISHED_COUNTS[counts][split]
    samples = [dataset.get_data_info(index) for index in range(len(dataset))]
    assert all(sample['text'][0] for sample in samples)
    boxes = [sample['instances'][0]['bbox'] for sample in samples]
    assert 0.9 * side < max(max(box) for box in boxes) <= side

    if form == 'xywh':  # read as corners, the size is left of the corner or above it
        with pytest.raises(DatasetError, match='corners reversed'):
            build(path, 'xyxy')
    else:  # read as a size, the corner leaves every image
        other = build(path, 'xywh')
        infos = map(other.get_data_info, range(len(other)))
        assert max(max(i['instances'][0]['bbox']) for i in infos) > 1.5 * side

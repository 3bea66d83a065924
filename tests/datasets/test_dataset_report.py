import pytest

from m2ist_mm.datasets import report_dataset


def refer_config(root, **kwargs):
    return dict(
        type='ReferDataset',
        data_root=str(root),
        refs_file='refcoco/refs(unc).p',
        ann_file='refcoco/instances.json',
        data_prefix=dict(img='train2014/'),
        split='train',
        pipeline=[],
        **kwargs,
    )


def test_sound_split_is_counted(mini_refcoco):
    report = report_dataset(
        refer_config(mini_refcoco, max_expressions_per_sample=4),
        count_tokens=lambda texts: [len(text) for text in texts],
        max_tokens=10,
    )
    assert report.faults == []
    assert report.counts == {
        'images': 3,
        'referents': 6,
        'expressions': 12,
        'distinct': 4,
        'words (median)': 2,
        'words (max)': 2,
        'tokens (max)': len('right block'),
        'over 10 tokens': 3,
    }


def test_every_fault_is_reported_beside_the_counts_of_the_rest(refer_folder):
    def spoil(refs):
        refs[0].update(ann_id=999)
        refs[1]['sentences'][0]['sent'] = ''

    refer_folder.change_refs(spoil)
    refer_folder.image_path(1).unlink()
    refer_folder.image_path(2).write_bytes(b'no image')
    report = report_dataset(refer_config(refer_folder.root, expected_count=12))
    assert len(report.faults) == 5
    for place in (
        'ref_id 0: its annotation 999',
        'ref_id 1, sent_id 2: the expression is empty',
        'has 10 expressions, not the 12',
        f'{refer_folder.image_path(1)}: no such image',
        f'{refer_folder.image_path(2)} cannot be read as an image',
    ):
        assert any(place in fault for fault in report.faults), place
    assert report.counts['expressions'] == 5


def test_unreadable_split_has_faults_and_no_counts(refer_folder):
    refer_folder.refs_path.unlink()
    report = report_dataset(refer_config(refer_folder.root))
    assert len(report.faults) == 1
    assert report.counts == {}


def test_other_data_sets_are_refused():
    with pytest.raises(ValueError, match='CocoDataset is not a RECDataset'):
        report_dataset(dict(type='CocoDataset'))

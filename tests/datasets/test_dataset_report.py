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


class Letters:
    """A tokenizer with a token for each letter of ASCII."""

    unk_token = '?'

    def __call__(self, texts, add_special_tokens=True):
        tokens = [self.convert_tokens_to_ids(text) for text in texts]
        return dict(input_ids=tokens)

    def convert_tokens_to_ids(self, tokens):
        return [ord(t) if t.isascii() and t != '?' else 0 for t in tokens]


def test_sound_split_is_counted(mini_refcoco):
    report = report_dataset(
        refer_config(mini_refcoco, max_expressions_per_sample=4),
        Letters(),
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
        'unread': 0,
    }
    assert report.notes == []
    assert len(report.samples) == 12


def test_expressions_of_unknown_tokens_are_counted_and_the_first_named(refer_folder):
    refer_folder.change_refs(
        lambda refs: [
            sentence.update(sent='\u2603' * (1 + sentence['sent_id']))
            for ref in refs[:4]
            for sentence in ref['sentences']
        ]
    )
    report = report_dataset(refer_config(refer_folder.root), Letters(), 99)
    assert report.faults == []
    assert report.counts['unread'] == 8
    assert len(report.notes) == 6
    assert report.notes[1] == (
        f'{refer_folder.image_path(0)} (sent_id 1): the tokenizer knows nothing of '
        "'\u2603\u2603'"
    )
    assert report.notes[5] == '... and nothing of 3 more expressions'


def test_split_without_boxes_is_counted(refer_folder):
    config = refer_config(refer_folder.root, with_boxes=False, test_mode=True)
    refer_folder.change_instances(lambda instances: instances.pop('annotations'))
    report = report_dataset(config)
    assert report.faults == []
    assert report.counts['referents'] == 0
    assert report.counts['expressions'] == 12


def test_every_fault_is_reported_beside_the_counts_of_the_rest(refer_folder):
    def spoil(refs):
        refs[0].update(ann_id=999)
        refs[1]['sentences'][0]['sent'] = ''

    refer_folder.change_refs(spoil)
    refer_folder.image_path(1).unlink()
    truncated = refer_folder.image_path(2)
    truncated.write_bytes(truncated.read_bytes()[:-50])
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

from mmengine import Config

from m2ist_mm.config import iter_dataset_configs, set_data_root


def build_config():
    leaf = dict(type='ReferDataset', data_root='old/')
    return Config(
        dict(
            data_root='old/',
            train_dataloader=dict(
                dataset=dict(type='RepeatDataset', times=2, dataset=dict(leaf))
            ),
            val_dataloader=dict(dataset=dict(leaf)),
            test_dataloader=dict(
                dataset=dict(
                    type='ConcatDataset',
                    datasets=[{**leaf, 'split': 'a'}, {**leaf, 'split': 'b'}],
                )
            ),
        )
    )


def test_data_sets_are_found_inside_wrappers_and_in_order():
    found = [
        (loader, d.get('split')) for loader, d in iter_dataset_configs(build_config())
    ]
    assert found == [('train', None), ('val', None), ('test', 'a'), ('test', 'b')]


def test_loaders_may_be_absent_or_none():
    assert list(iter_dataset_configs(Config(dict(val_dataloader=None)))) == []


def test_one_call_moves_all_data_sets():
    cfg = build_config()
    set_data_root(cfg, 'new/')
    assert {dataset.data_root for _, dataset in iter_dataset_configs(cfg)} == {'new/'}
    assert cfg.data_root == 'new/'
    assert 'old/' not in cfg.pretty_text

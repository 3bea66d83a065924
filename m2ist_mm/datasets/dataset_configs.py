"""The data sets that a config names."""

from collections.abc import Iterator

from mmengine import Config, ConfigDict


def iter_dataset_configs(cfg: Config) -> Iterator[tuple[str, ConfigDict]]:
    """Find the data sets of a config, also inside wrappers such as ConcatDataset.

    Args:
        cfg (Config): A whole config.

    Yields:
        tuple[str, ConfigDict]: Which data loader ('train', 'val', 'test') and
        the data set's own part of the config.
    """
    for loader in ('train', 'val', 'test'):
        pending = [(cfg.get(f'{loader}_dataloader') or {}).get('dataset')]
        while pending:
            node = pending.pop(0)
            if node is None:
                continue
            inner = node.get('datasets') or node.get('dataset')
            if inner is None:
                yield loader, node
            else:
                pending = (inner if isinstance(inner, list) else [inner]) + pending


def set_data_root(cfg: Config, data_root: str) -> None:
    """Read all data sets of a config from another folder.

    A config's ``data_root`` variable is copied into each data set when the
    config is read, so that ``--cfg-options data_root=...`` comes too late.

    Args:
        cfg (Config): A whole config; changed in place.
        data_root (str): The folder.
    """
    for _, dataset in iter_dataset_configs(cfg):
        dataset['data_root'] = data_root
    if 'data_root' in cfg:
        cfg.data_root = data_root

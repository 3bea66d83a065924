"""Configs and checkpoints by their names in the model index."""

from pathlib import Path

from mmengine.infer import BaseInferencer

DEFAULT_MODEL = 'm2ist_yolox-nano-fine_flickr30k-part'  # its weights are shipped


def find_config(config: str) -> str:
    """File of a config, which may be its name in the model index.

    Raises:
        FileNotFoundError: There is neither such a file nor such a name.
    """
    if Path(config).is_file():
        return config
    entry = _entry(config)
    if entry is None:
        raise FileNotFoundError(
            f'there is no config file {config}, and the model index has no such name'
        )
    return entry['Config']


def find_weights(model: str) -> str:
    """Checkpoint that the model index has for a name.

    Raises:
        ValueError: It has none.
    """
    entry = None if Path(model).is_file() else _entry(model)
    if entry is None or 'Weights' not in entry:
        raise ValueError(
            f'the model index has no weights of {model}: name the checkpoint of a '
            'trained model'
        )
    return entry['Weights']


def _entry(name: str) -> dict | None:
    """Entry of the model index, its files with their folder."""
    folder = BaseInferencer._get_repo_or_mim_dir('m2ist_mm')
    for entry in BaseInferencer._get_models_from_metafile(folder):
        if entry['Name'] == name:
            files = {key: entry[key] for key in ('Config', 'Weights') if key in entry}
            return {key: str(Path(folder, file)) for key, file in files.items()}
    return None

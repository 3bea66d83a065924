"""What a vision tower needs to know about an mmdet detector."""

import difflib
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import mmdet
import yaml
from mmengine.config import Config
from mmengine.hub import get_config

from ...config_parts import is_type, iter_dicts

_MIM = Path(mmdet.__file__).parent / '.mim'  # mmdet's configs and model index


@dataclass(frozen=True)
class DetectorSpec:
    """Backbone, neck and input of a detector.

    Attributes:
        backbone: Config of the backbone, without the name of its own pre-training.
        neck: Config of the neck, or of several in a row.
        mean: Pixel mean in 0 to 255, in ``channel_order``.
        std: Its standard deviation.
        channel_order: ``'rgb'`` or ``'bgr'``.
        pad_value: Value of the padding, in pixel units; ``None`` is the mean.
    """

    backbone: dict
    neck: dict | list[dict]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channel_order: str
    pad_value: tuple[float, ...] | None

    @classmethod
    def of(cls, detector: str | dict) -> 'DetectorSpec':
        """Read the config of a detector.

        Args:
            detector: Path of a config file, ``'mmdet::yolox/NAME.py'``, a name in
                mmdet's model index or of one of its configs (``'rtmdet-t'``,
                ``'yolox_tiny_8xb8-300e_coco'``), or a dict with ``backbone``, ``neck``
                and, where it is known, ``data_preprocessor``.

        Raises:
            FileNotFoundError: There is no such config.
            ValueError: It cannot be read, or the detector has no backbone or no neck.
        """
        if not isinstance(detector, str | dict):
            raise ValueError(f'detector = {detector!r} must be a name or dict(...)')
        config = dict(model=detector) if isinstance(detector, dict) else _read(detector)
        model = config.get('model') or {}
        for part, remedy in (
            ('backbone', 'DetectorTower takes detectors that have one at the top'),
            ('neck', 'BackboneTower takes a backbone alone'),
        ):
            if not model.get(part):
                name = 'it' if isinstance(detector, dict) else repr(detector)
                raise ValueError(f'detector: {name} has no {part}; {remedy}')
        preprocessor = (
            model.get('data_preprocessor') or config.get('data_preprocessor') or {}
        )
        # mmdet pads after the normalisation: its default, 0, is the mean
        mean = tuple(map(float, preprocessor.get('mean') or (0.0,) * 3))
        std = tuple(map(float, preprocessor.get('std') or (1.0,) * 3))
        pad_value = _pad_value(config)
        if pad_value is None and (filled := preprocessor.get('pad_value', 0)):
            pad_value = tuple(filled * s + m for m, s in zip(mean, std, strict=True))
        return cls(
            backbone=_without_pretraining(model['backbone']),
            neck=_without_pretraining(model['neck']),
            mean=mean,
            std=std,
            channel_order='rgb' if preprocessor.get('bgr_to_rgb') else 'bgr',
            pad_value=pad_value,
        )

    @property
    def architecture(self) -> str:
        """Key in :data:`ARCHITECTURES`: the types of backbone and neck."""
        necks = self.neck if isinstance(self.neck, list | tuple) else [self.neck]
        types = [part['type'] for part in (self.backbone, *necks)]
        names = [getattr(kind, '__name__', str(kind)) for kind in types]
        return '+'.join(name.rpartition('.')[2] for name in names)


def _read(name: str) -> Config:
    path = name
    if '::' not in name and not name.endswith('.py'):
        path = _find_in_index(name)
    try:
        return get_config(path) if '::' in path else Config.fromfile(path)
    except Exception as error:  # it is Python: whatever may go wrong in it
        if isinstance(error, OSError) and not Path(path).is_file():
            raise FileNotFoundError(f'detector: there is no config {name!r}') from error
        raise ValueError(
            f'detector: {name!r} cannot be read as a config: {type(error).__name__}: '
            f'{error}'
        ) from error


def _find_in_index(name: str) -> str:
    """Find a config by its name in the model index or its file name."""
    configs = {path.stem: path for path in (_MIM / 'configs').rglob('*.py')}
    if name in configs:
        return str(configs[name])
    for metafile in sorted((_MIM / 'configs').rglob('metafile.yml')):
        text = metafile.read_text(encoding='utf-8')
        if name in text:
            index = yaml.safe_load(text)
            # some of mmdet's files are lists; paths are percent-encoded
            models = index if isinstance(index, list) else index.get('Models') or []
            for model in models:
                if name in (model['Name'], *_aliases(model)):
                    return str(_MIM / unquote(model['Config']))
    like = difflib.get_close_matches(name, configs, n=3)
    advice = f'; there are {", ".join(like)}' if like else ''
    raise FileNotFoundError(
        f'detector: {name!r} is no config file (NAME.py) and no model of mmdet{advice}'
    )


def _aliases(model: dict) -> list[str]:
    aliases = model.get('Alias') or []
    return [aliases] if isinstance(aliases, str) else aliases


def _without_pretraining(part: dict | list) -> dict | list:
    """Copy a config without the weights that its own training started from."""
    if isinstance(part, list | tuple):
        return [_without_pretraining(one) for one in part]
    part = deepcopy(part)
    if (part.get('init_cfg') or {}).get('type') == 'Pretrained':
        del part['init_cfg']
    return part


def _pad_value(config: Config | dict) -> tuple[float, ...] | None:
    """Pad value of the test pipeline in pixel units, if it pads."""
    loader = config.get('test_dataloader') or {}
    pipeline = (loader.get('dataset') or {}).get('pipeline')
    for step in iter_dicts(pipeline or config.get('test_pipeline') or []):
        if is_type(step, 'Pad'):
            value = step.get('pad_val', 0)
            value = value.get('img', 0) if isinstance(value, dict) else value
            values = value if isinstance(value, list | tuple) else (value,) * 3
            return tuple(map(float, values))
    return None

"""Towers, side networks, head and grounder, registered in mmdet's ``MODELS``."""

from .backbones import SideTuningBackbone
from .data_preprocessors import RECDataPreprocessor
from .grounders import SideTunedGrounder
from .heads import RECHead
from .necks import M3ISA, LadderSideNetwork
from .parameter_counts import parameter_counts
from .test_time_augs import RECTTAModel
from .towers import (
    BackboneTower,
    DetectorTower,
    DETREncoderTower,
    TransformersTower,
    TransformersVisionTower,
)
from .tuners import (
    AdapterTuner,
    AdaptFormerTuner,
    BaseTuner,
    BitFitTuner,
    CMAdapterTuner,
    DARATuner,
    LoRATuner,
    MRSAdapterTuner,
    PromptTuner,
    UniAdapterTuner,
)

__all__ = [
    'AdaptFormerTuner',
    'AdapterTuner',
    'BackboneTower',
    'BaseTuner',
    'BitFitTuner',
    'CMAdapterTuner',
    'DARATuner',
    'DETREncoderTower',
    'DetectorTower',
    'LadderSideNetwork',
    'LoRATuner',
    'M3ISA',
    'MRSAdapterTuner',
    'PromptTuner',
    'RECDataPreprocessor',
    'RECHead',
    'RECTTAModel',
    'SideTunedGrounder',
    'SideTuningBackbone',
    'TransformersTower',
    'TransformersVisionTower',
    'UniAdapterTuner',
    'parameter_counts',
]

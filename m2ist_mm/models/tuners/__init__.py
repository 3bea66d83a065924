"""Methods that tune something inside the frozen towers."""

from .adapter_tuner import AdapterTuner
from .adaptformer_tuner import AdaptFormerTuner
from .base_tuner import BaseTuner
from .bitfit_tuner import BitFitTuner
from .cm_adapter_tuner import CMAdapterTuner
from .dara_tuner import DARATuner
from .inserting_tuner import InsertingTuner, Insertion
from .lora_tuner import LoRATuner
from .mrs_adapter_tuner import MRSAdapterTuner
from .prompt_tuner import PromptTuner
from .uni_adapter_tuner import UniAdapterTuner

__all__ = [
    'AdaptFormerTuner',
    'AdapterTuner',
    'BaseTuner',
    'BitFitTuner',
    'CMAdapterTuner',
    'DARATuner',
    'InsertingTuner',
    'Insertion',
    'LoRATuner',
    'MRSAdapterTuner',
    'PromptTuner',
    'UniAdapterTuner',
]

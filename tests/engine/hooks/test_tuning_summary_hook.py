from unittest.mock import Mock

import pytest
from mmdet.registry import MODELS
from mmengine.config import Config

from m2ist_mm.engine import TuningSummaryHook

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def log_of(model):
    runner = Mock(model=model)
    TuningSummaryHook().before_train(runner)
    return [call.args[0] for call in runner.logger.info.call_args_list]

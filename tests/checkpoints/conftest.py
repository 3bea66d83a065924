import runpy
from pathlib import Path

_tests = Path(__file__).parents[1]
_toys = runpy.run_path(str(_tests / 'toy_runner.py'))
make_runner, toy_model = _toys['make_runner'], _toys['toy_model']
_models = runpy.run_path(str(_tests / 'models/conftest.py'))
make_model, make_sample = _models['make_model'], _models['make_sample']
vision_config = _models['vision_config']

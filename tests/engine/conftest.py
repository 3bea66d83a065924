import runpy
from pathlib import Path

_toys = runpy.run_path(str(Path(__file__).parents[1] / 'toy_runner.py'))
make_runner, toy_model = _toys['make_runner'], _toys['toy_model']

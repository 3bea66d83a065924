"""Makes ``tools/analysis_tools/comparison`` importable, as its tool finds it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / 'tools/analysis_tools'))

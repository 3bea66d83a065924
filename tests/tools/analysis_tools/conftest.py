"""Makes the tools importable, and what they share, as they find it themselves."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / 'tools/analysis_tools'))

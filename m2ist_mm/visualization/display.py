"""Whether images can be shown in a window."""

import os
import sys


def require_display() -> None:
    """Check that a window can be opened; other systems than Linux always have one.

    Raises:
        ValueError: There is no display.
    """
    variables = ('DISPLAY', 'WAYLAND_DISPLAY')
    if sys.platform.startswith('linux') and not any(map(os.environ.get, variables)):
        raise ValueError(
            'show: there is no display; write the drawn images into a folder instead '
            '(out_dir, --show-dir or --out-dir)'
        )

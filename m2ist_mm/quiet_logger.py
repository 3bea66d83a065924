"""MMEngine's logger, told to say less for a while."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.logging import MMLogger


@contextmanager
def quiet_logger(level: int = logging.WARNING) -> Iterator[None]:
    """Log nothing below a level: building a model logs a line per parameter."""
    logger = MMLogger.get_current_instance()
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)

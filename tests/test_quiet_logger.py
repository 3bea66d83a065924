import logging

import pytest
from mmengine.logging import MMLogger

from m2ist_mm.quiet_logger import quiet_logger


def test_level_is_that_of_before_even_after_an_error():
    logger = MMLogger.get_current_instance()
    before = logger.level
    with pytest.raises(KeyError), quiet_logger(logging.ERROR):
        assert logger.level == logging.ERROR
        raise KeyError
    assert logger.level == before != logging.ERROR

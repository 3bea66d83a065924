import re
import sys
from pathlib import Path

from mmdet.registry import MODELS

import m2ist_mm
from m2ist_mm.efficiency import SyntheticInputs

PACKAGE = Path(m2ist_mm.__file__).resolve().parent
PAGE = PACKAGE.parent / 'docs/model.md'


def files_entered(call):
    """Files of the package whose functions a call enters, in order of first entry."""
    entered = {}

    def enter(frame, event, argument):
        path = Path(frame.f_code.co_filename)
        if event == 'call' and path.is_relative_to(PACKAGE):
            entered.setdefault(path.relative_to(PACKAGE).as_posix())

    sys.setprofile(enter)
    try:
        call()
    finally:
        sys.setprofile(None)
    return list(entered)


def test_page_lists_the_files_of_a_prediction_in_the_order_they_are_entered(
    nano_config,
):
    model = MODELS.build(nano_config.model).eval()
    inputs = SyntheticInputs(model.data_preprocessor.input_spec)
    model.test_step(inputs.batch(1, 2))  # loads the tokenizer
    batch = inputs.batch(1, 2, seed=1)
    rows = re.findall(r'^\| (`.+?`) \|', PAGE.read_text('utf-8'), re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r'`(\S+\.py)`', row)]
    assert files_entered(lambda: model.test_step(batch)) == listed

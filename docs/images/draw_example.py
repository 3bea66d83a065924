"""Draw docs/images/example.jpg: python docs/images/draw_example.py.

Shows what the shipped model answers on two photographs, whatever it is.
"""

from pathlib import Path

import mmcv
import numpy as np

from m2ist_mm.apis import RECInferencer
from m2ist_mm.web import PHOTOGRAPHS, read_examples

SHOWN = ('photographer', 'astronaut')  # of one size, with as many sentences

if __name__ == '__main__':
    inferencer = RECInferencer(device='cpu')
    examples = {example.name: example for example in read_examples(PHOTOGRAPHS)}
    drawn = []
    for example in map(examples.get, SHOWN):
        result = inferencer(example.image, list(example.sentences), return_vis=True)
        drawn += result['visualization']
    target = Path(__file__).with_name('example.jpg')
    mmcv.imwrite(np.hstack(drawn)[..., ::-1], str(target))
    print(target)

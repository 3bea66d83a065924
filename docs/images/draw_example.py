"""Draw docs/images/example.jpg: python docs/images/draw_example.py.

Shows what the shipped model answers on two photographs, whatever it is.
"""

from pathlib import Path

import mmcv
import numpy as np

from m2ist_mm.apis import RECInferencer
from m2ist_mm.web import PHOTOGRAPHS, read_examples

MODEL = 'm2ist_yolox-nano-fine_flickr30k-part'
SHOWN = ('photographer', 'astronaut')  # of one size, with as many sentences

if __name__ == '__main__':
    root = Path(__file__).resolve().parents[2]
    config = root / 'configs' / 'm2ist' / f'{MODEL}.py'
    weights = root / 'weights' / f'{MODEL}.pth'
    inferencer = RECInferencer(config, weights, 'cpu')
    examples = {example.name: example for example in read_examples(PHOTOGRAPHS)}
    drawn = []
    for example in map(examples.get, SHOWN):
        result = inferencer(example.image, list(example.sentences), return_vis=True)
        drawn += result['visualization']
    target = root / 'docs' / 'images' / 'example.jpg'
    mmcv.imwrite(np.hstack(drawn)[..., ::-1], str(target))
    print(target)

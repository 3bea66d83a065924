"""Draw RefShapes: scenes of shapes with expressions that each name one of them.

The result lies on disk as RefCOCO does::

    OUT/train2014/COCO_train2014_000000000001.jpg ...   all splits' images
    OUT/refshapes/instances.json                        COCO annotations
    OUT/refshapes/refs(unc).p                           referents and expressions
    OUT/refshapes/detection_{train,val}.json            COCO annotations of a split
    OUT/refshapes/recipe.json                           the parameters used

so whatever reads RefCOCO reads it too. Two keys are added to RefCOCO's: each
sentence has its ``kind`` (attribute, place, order, superlative or relation) and
each annotation its ``texture``. A category is a color and a kind of shape; in the
detection files, which pre-train vision towers, it is the kind alone: a detector knows
kinds, and expressions ask for more.

Splits (no scene is in two of them):

- train, val: 4 to 8 shapes, of the combinations of kind and color not held out.
- testA: the same combinations, crowded: 7 to 9 shapes and three times the clutter.
- testB: every referent is of a held-out combination, which no other split shows
  anywhere; the other shapes of its scenes are of the same combinations.

Same parameters, same seed: same data.
"""

import argparse
import sys
from dataclasses import fields
from functools import partial

from m2ist_mm.datasets.refshapes import Recipe, make_refshapes
from m2ist_mm.engine.program import run_program


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw RefShapes, a synthetic dataset in the layout of RefCOCO.'
    )
    parser.add_argument('out', help='folder to make')
    for parameter in fields(Recipe):
        parser.add_argument(
            f'--{parameter.name.replace("_", "-")}',
            type=type(parameter.default),
            default=parameter.default,
            metavar='N' if isinstance(parameter.default, int) else 'NAME',
            help='{help}; {values} (%(default)s)'.format(**parameter.metadata),
        )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace a RefShapes made with other parameters',
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    out, overwrite = options.pop('out'), options.pop('overwrite')
    report = partial(print, flush=True)
    if not make_refshapes(out, Recipe(**options), overwrite, report):
        print(f'{out}: already made with these parameters, nothing to do.')


if __name__ == '__main__':
    sys.exit(run_program(main))

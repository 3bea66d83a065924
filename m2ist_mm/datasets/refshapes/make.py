"""Making the whole dataset."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from .expression_writer import ExpressionWriter
from .random_source import Random
from .recipe import Recipe
from .refcoco_files import RefCOCOFiles
from .scene_sampling import sample_referents, sample_scene
from .split import SPLITS

RECIPE_PATH = Path('refshapes', 'recipe.json')


def make_refshapes(
    out: str | Path,
    recipe: Recipe,
    overwrite: bool = False,
    report: Callable[[str], object] = lambda line: None,
) -> bool:
    """Make the dataset, unless it is there already.

    Args:
        out: Folder to make.
        recipe: The parameters.
        overwrite: Whether to replace a RefShapes of other parameters.
        report: Takes a line of progress.

    Returns:
        Whether it was made now. An interrupted call leaves ``out`` as it was.

    Raises:
        FileExistsError: ``out`` holds something else.
    """
    # The folder a link points to is replaced, not the link.
    out = Path(out).resolve()
    if _is_made(out, recipe, overwrite):
        return False
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f'.{out.name}.') as tmp:
        fresh = Path(tmp) / 'fresh'
        _write(fresh, recipe, report)
        if out.exists():
            os.replace(out, Path(tmp) / 'replaced')
        os.replace(fresh, out)
    return True


def _is_made(out: Path, recipe: Recipe, overwrite: bool) -> bool:
    """Whether ``out`` holds just this; raise if it holds what must not be lost."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    if not (out / RECIPE_PATH).is_file():
        raise FileExistsError(
            f'{out} holds something that is not RefShapes, which is never '
            'overwritten: give another folder or empty this one.'
        )
    if (out / RECIPE_PATH).read_bytes() == recipe.to_json():
        return True
    if not overwrite:
        raise FileExistsError(
            f'{out} holds RefShapes made with other parameters: give another '
            'folder, or --overwrite to replace it.'
        )
    return False


def _write(root: Path, recipe: Recipe, report: Callable[[str], object]) -> None:
    """Draw all splits and write the whole dataset under a new folder."""
    files = RefCOCOFiles(root)
    for number, split in enumerate(SPLITS):
        start = time.monotonic()
        images = recipe.num_images(split.name)
        writer = ExpressionWriter(recipe.expressions_per_object)
        for index in range(images):
            # A scene of its own seed does not change with the number of others.
            rng = Random([recipe.seed, number, index])
            scene, image = sample_scene(split, recipe.image_size, rng)
            referents = sample_referents(split, scene, rng)
            files.add(split.name, scene, image, writer.write(scene, referents, rng))
            if (index + 1) % 500 == 0:
                seconds = time.monotonic() - start
                report(f'{split.name}: {index + 1} of {images} images, {seconds:.0f} s')
        report(f'{split.name}: {images} images, {writer.describe_mix()}')
    files.write_texts()
    (root / RECIPE_PATH).write_bytes(recipe.to_json())

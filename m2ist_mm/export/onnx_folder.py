"""Writes a trained grounder as a folder that runs without torch."""

import json
import logging
import math
import os
import shutil
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmdet.structures import DetDataSample
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.export import Dim

from ..apis import RECInferencer
from ..apis.queries import MAX_EXPRESSIONS
from ..models.data_preprocessors import RECDataPreprocessor
from ..models.grounders import SideTunedGrounder
from ..standalone import predict
from .contract import describe
from .image_side import ImageSide
from .text_side import TextSide

OPSET = 20
TOLERANCE = 1e-4  # of the canvas, between boxes of the graphs and of the model


def export_onnx(inferencer: RECInferencer, folder: str | Path, name: str = '') -> float:
    """Write a trained model as two ONNX graphs and what is needed to run them.

    ``image.onnx`` encodes an image, ``text.onnx`` gives the boxes of any number of
    expressions of any length; beside them lie ``tokenizer/``, ``model.json`` (see
    :func:`describe`) and ``predict.py``, which runs them. The graphs are compared with
    the model before the folder appears: it is there complete and checked, or not at
    all.

    Args:
        inferencer: The trained model with its test pipeline, on the CPU.
        folder: Where to write; must be empty or missing.
        name: What ``model.json`` calls the model.

    Returns:
        The largest difference between boxes of the graphs and of the model, relative
        to the canvas.

    Raises:
        FileExistsError: The folder has files in it, or is a file.
        ImportError: onnx, onnxscript or onnxruntime is not installed.
        ValueError: The model or its pipeline cannot be exported, or the graphs give
            other boxes than the model.
    """
    folder = Path(folder).resolve()
    require_empty(folder)
    _require_packages()
    model = inferencer.model
    contract = describe(
        name, model, inferencer.pipeline.transforms, inferencer.lowercase
    )
    above = next(parent for parent in folder.parents if parent.is_dir())
    unfinished = above / f'.{folder.name}.{uuid.uuid4().hex}.tmp'
    try:
        unfinished.mkdir()
        _write_tokenizer(model.data_preprocessor, unfinished / 'tokenizer')
        _write_graphs(model, unfinished)
        text = json.dumps(contract, indent=2, ensure_ascii=False)
        (unfinished / 'model.json').write_text(f'{text}\n', encoding='utf-8')
        shutil.copyfile(predict.__file__, unfinished / 'predict.py')
        difference = _largest_difference(model, predict.Predictor(unfinished))
        if not difference <= TOLERANCE:  # nan is not
            raise ValueError(
                f'the exported graphs give other boxes than the model: they differ by '
                f'{difference:.2g} of the canvas, and at most {TOLERANCE} is rounding; '
                'nothing was written'
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return difference


def require_empty(folder: Path) -> None:
    """Raise FileExistsError unless the folder is empty or missing."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(
            f'{folder} is there already and not an empty folder: choose another, or '
            'remove it'
        )


def _require_packages() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f'{error}; the export needs more packages: '
            'pip install -r requirements/export.txt'
        ) from error


def _write_tokenizer(preprocessor: RECDataPreprocessor, folder: Path) -> None:
    """Write the tokenizer; ``tokenizer.json`` truncates and pads by itself."""
    tokenizer = preprocessor.tokenizer
    backend = getattr(tokenizer, 'backend_tokenizer', None)
    if backend is None:
        raise ValueError(
            f'{type(tokenizer).__name__} is written in Python alone and cannot be '
            'exported: choose a model whose folder has a tokenizer.json'
        )
    copy = Tokenizer.from_str(backend.to_str())
    copy.enable_truncation(preprocessor.input_spec.max_tokens)
    copy.enable_padding(pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    folder.mkdir()
    copy.save(str(folder / 'tokenizer.json'))


def _write_graphs(model: SideTunedGrounder, folder: Path) -> None:
    image_side, text_side = ImageSide(model).eval(), TextSide(model).eval()
    inputs = _canvas(model, seed=0)
    with torch.no_grad():
        encoded = without_padding(*image_side(*inputs))
    _write_graph(image_side, inputs, None, folder / 'image.onnx')
    seen = {1: Dim('seen', max=math.prod(model.backbone.vision.grid))}
    expressions = Dim('expressions', max=MAX_EXPRESSIONS)
    length = Dim('length', max=model.data_preprocessor.input_spec.max_tokens)
    text = {0: expressions, 1: length}
    _write_graph(
        text_side,
        (*encoded, *_tokenize(model, ['the dog', 'a man on the left'])),
        (seen, seen, text, text),
        folder / 'text.onnx',
    )


def _write_graph(
    side: nn.Module, inputs: tuple[Tensor, ...], shapes: tuple | None, path: Path
) -> None:
    try:
        with torch.no_grad(), _quiet():
            torch.onnx.export(
                side,
                inputs,
                path,
                input_names=side.inputs,
                output_names=side.outputs,
                dynamic_shapes=shapes,
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # of torch's exporter, of many types
        raise _not_exportable(path.name, error) from error


def _not_exportable(where: str, error: Exception) -> ValueError:
    """One line for what exporter or runtime says in many."""
    while error.__cause__ is not None:
        error = error.__cause__
    reason = str(error).strip().partition('\n')[0]
    return ValueError(
        f'this model cannot be exported to ONNX: {where}: {type(error).__name__}: '
        f'{reason}'
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch's exporter says about itself off the terminal."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(disabled)


def _canvas(model: SideTunedGrounder, seed: int) -> tuple[Tensor, Tensor]:
    """Noise on a canvas, with padding on two sides: inputs of :class:`ImageSide`."""
    height, width = model.data_preprocessor.input_spec.size
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(
        256, (1, height, width, 3), generator=generator, dtype=torch.uint8
    )
    left, top = (width // 4, 0) if seed % 2 else (0, height // 4)
    return pixels, torch.tensor([[left, top, width - left, height - top]])


def without_padding(tokens: Tensor, padding: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs of :class:`ImageSide` to the first inputs of :class:`TextSide`."""
    kept = torch.nonzero(~padding[0]).flatten()
    return tokens[:, kept], kept[None]


def _tokenize(model: SideTunedGrounder, texts: list[str]) -> tuple[Tensor, Tensor]:
    sample = DetDataSample(metainfo=dict(text=tuple(texts)))
    inputs = model.data_preprocessor.tokenize([sample])
    return inputs['input_ids'], inputs['attention_mask']


@torch.no_grad()
def _largest_difference(
    model: SideTunedGrounder, predictor: predict.Predictor
) -> float:
    """Compare boxes of the graphs with the model's, on images with other padding."""
    texts = ['dog', 'the left dog, behind the red car', 'a man ' * 30]
    differences = []
    for seed in (1, 2):
        pixels, region = _canvas(model, seed)
        encoded = without_padding(*ImageSide(model)(pixels, region))
        height, width = pixels.shape[1:3]
        placed = predict.Placed(
            pixels[0].numpy(), tuple(region[0].tolist()), (width, height)
        )
        for asked in (texts, texts[:1]):
            expected = TextSide(model)(*encoded, *_tokenize(model, asked))
            try:
                found = predictor.ask(predictor.encode_placed(placed), asked)[0]
            except Exception as error:  # of onnxruntime, of many types
                raise _not_exportable('its graphs do not run', error) from error
            differences.append(np.abs(found - expected.numpy()).max())
    return float(np.max(differences))

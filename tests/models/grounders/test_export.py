"""What follows an image, as ONNX: any number of expressions of any length."""

import pytest
import torch
from torch import nn
from torch.export import Dim

from m2ist_mm.structures import Features, TowerFeatures

NAMES = ['tokens', 'padding', 'input_ids', 'attention_mask', 'image_index']


class AskImages(nn.Module):
    """Text tower, its side network and head, on images that were encoded before."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, tokens, padding, input_ids, attention_mask, image_index):
        vision = TowerFeatures(tokens, padding, grid=self.model.backbone.vision.grid)
        language = self.model.encode_text(input_ids, attention_mask)
        return self.model.ground(Features(vision, language, image_index))


def questions(lengths, images):
    """Random expressions of those numbers of tokens."""
    ids = torch.zeros(len(lengths), max(lengths), dtype=torch.long)
    for row, length in zip(ids, lengths, strict=True):
        row[:length] = torch.randint(2, 20, (length,))
    index = torch.randint(images, (len(lengths),))
    return ids, (ids != 0).long(), index


@pytest.mark.slow
@torch.no_grad()
def test_exported_model_answers_as_the_model(
    make_model, model_config, images, tmp_path
):
    pytest.importorskip('onnx')
    pytest.importorskip('onnxscript')
    onnxruntime = pytest.importorskip('onnxruntime')
    model = make_model(model_config).eval()
    seen = model.encode_image(*images)
    vision = seen.tokens, seen.mask
    asked = AskImages(model).eval()
    expressions, length = Dim('expressions', max=64), Dim('length', max=8)
    path = tmp_path / 'ground.onnx'
    torch.onnx.export(
        asked,
        (*vision, *questions([5, 3, 4], images=2)),
        path,
        input_names=NAMES,
        output_names=['boxes'],
        dynamic_shapes=(
            None,
            None,
            {0: expressions, 1: length},
            {0: expressions, 1: length},
            {0: expressions},
        ),
        dynamo=True,
    )
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    for lengths in ([5, 3, 4], [8, 2, 6, 3, 4], [7, 3]):
        inputs = (*vision, *questions(lengths, images=2))
        feed = {n: v.numpy() for n, v in zip(NAMES, inputs, strict=True)}
        (boxes,) = session.run(None, feed)
        torch.testing.assert_close(
            torch.from_numpy(boxes), asked(*inputs), rtol=0, atol=1e-5
        )

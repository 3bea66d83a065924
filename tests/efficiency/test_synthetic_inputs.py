import torch

from m2ist_mm.efficiency import SyntheticInputs, TrainingStep
from m2ist_mm.structures import InputSpec

SPEC = InputSpec(size=(64, 96), max_tokens=8)


def test_batch_has_the_size_of_the_canvas():
    batch = SyntheticInputs(SPEC).batch(images=2, expressions_per_image=3)
    assert [image.shape for image in batch['inputs']] == [(3, 64, 96)] * 2
    first = batch['data_samples'][0]
    assert first.placement.region == (0, 0, 96, 64)
    boxes = first.gt_instances.bboxes
    assert boxes.shape == (3, 4)
    assert (boxes[:, :2] < boxes[:, 2:]).all() and (boxes >= 0).all()
    assert (boxes <= torch.tensor([96, 64, 96, 64])).all()
    texts = [text for sample in batch['data_samples'] for text in sample.text]
    assert len(set(texts)) == 6


def test_expressions_fill_the_text_tokens(nano_config):
    step = TrainingStep(nano_config)
    batch = step.inputs.batch(2, 1, seed=3)
    inputs = step.model.data_preprocessor(batch, True)['inputs']
    assert inputs['input_ids'].shape == (2, 8)
    assert inputs['attention_mask'].all() and not inputs['padding_mask'].any()
    assert (inputs['input_ids'][:, 1:-1] > 4).all()  # words, all known


def test_seeds_have_no_expression_in_common():
    inputs = SyntheticInputs(SPEC)
    batches = [inputs.batch(2, 4, seed) for seed in range(3)]
    texts = [t for batch in batches for s in batch['data_samples'] for t in s.text]
    assert len(set(texts)) == 24
    same, again = inputs.batch(1, 1, 5), inputs.batch(1, 1, 5)
    assert torch.equal(same['inputs'][0], again['inputs'][0])
    assert not torch.equal(same['inputs'][0], batches[0]['inputs'][0])

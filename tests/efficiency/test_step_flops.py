from m2ist_mm.efficiency import TrainingStep, step_flops


def flops(config, images=1, expressions=1):
    step = TrainingStep(config)
    return step_flops(step, step.inputs.batch(images, expressions))


def test_operations_grow_with_the_batch(nano_config):
    one, two = flops(nano_config, 1), flops(nano_config, 2)
    assert two == {name: 2 * value for name, value in one.items()}
    # an image's second expression does not run the vision tower
    grouped = flops(nano_config, 1, 2)
    assert one['forward'] < grouped['forward'] < two['forward']


def test_frozen_towers_are_not_run_backward(nano_config):
    frozen = flops(nano_config)
    nano_config.model.backbone['freeze'] = False
    tuned = flops(nano_config)
    assert tuned['forward'] == frozen['forward']
    assert frozen['backward'] < frozen['forward'] < tuned['backward']


def test_attention_counts_with_the_fused_kernel_and_without(nano_config):
    nano_config.model.bbox_head.dropout = 0.1
    maps = flops(nano_config)
    nano_config.model.bbox_head.dropout = 0.0
    assert flops(nano_config)['forward'] == maps['forward']

import pytest
import torch
from mmengine.runner import Runner

from m2ist_mm.engine import MicroBatchTrainLoop
from m2ist_mm.engine.loops.micro_batch_train_loop import (
    micro_batch_weights,
    split_batch,
)


def first_gradients(config, tmp_path, name, **train_cfg):
    """Gradients of the first step and its logged losses; 6 images, 3 or 1 expressions.

    Args:
        train_cfg: Changes of the training loop.
    """
    config.work_dir = str(tmp_path / name)
    config.experiment_name = f'{tmp_path.name}-{name}'
    config.model.bbox_head.dropout = 0.0
    config.train_dataloader.batch_size = 6
    config.train_dataloader.dataset.max_expressions_per_sample = 3
    config.train_cfg.update(max_epochs=1, **train_cfg)
    config.val_dataloader = config.val_cfg = config.val_evaluator = None
    config.default_hooks.checkpoint.save_best = None
    runner = Runner.from_cfg(config)
    found = {}

    def record(*args, **kwargs):
        for key, parameter in runner.model.named_parameters():
            if parameter.grad is not None:
                found[key] = parameter.grad.clone()

    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.optim_wrapper.optimizer.register_step_pre_hook(record)
    sizes = []
    loss_by_feat = runner.model.bbox_head.loss_by_feat

    def counted(boxes, *args):
        sizes.append(len(boxes))
        return loss_by_feat(boxes, *args)

    runner.model.bbox_head.loss_by_feat = counted
    runner.train()
    losses = {
        key: buffer.current()
        for key, buffer in runner.message_hub.log_scalars.items()
        if key.startswith('train/loss')
    }
    return found, losses, sizes


@pytest.mark.slow
@pytest.mark.parametrize(('size', 'parts'), [(1, 6), (4, 2), (5, 2)])
def test_gradient_is_that_of_the_undivided_batch(nano_config, tmp_path, size, parts):
    whole, losses, (count,) = first_gradients(
        nano_config.copy(), tmp_path, 'whole', type='EpochBasedTrainLoop'
    )
    assert count == 12
    divided, logged, counts = first_gradients(
        nano_config.copy(),
        tmp_path,
        'parts',
        type='MicroBatchTrainLoop',
        micro_batch_size=size,
    )
    assert len(counts) == parts
    assert sum(counts) == 12
    assert len(set(counts)) > 1  # uneven, so that a mean of means would differ
    assert divided.keys() == whole.keys()
    for name, gradient in whole.items():
        torch.testing.assert_close(
            divided[name], gradient, rtol=1e-4, atol=1e-6, msg=name
        )
    assert logged == pytest.approx(losses, rel=1e-5)


def test_one_step_and_one_count_a_batch(nano_config, tmp_path):
    nano_config.work_dir = str(tmp_path)
    nano_config.experiment_name = tmp_path.name
    nano_config.train_cfg.update(
        type='MicroBatchTrainLoop', micro_batch_size=1, max_epochs=1
    )
    runner = Runner.from_cfg(nano_config)
    runner.train()
    assert runner.iter == 3
    states = runner.optim_wrapper.optimizer.state.values()
    assert {int(state['step']) for state in states} == {3}
    assert all(p.grad is None for p in runner.model.parameters())


@pytest.mark.parametrize('size', [0, -1, 1.5, True, None])
def test_sizes_that_are_none_are_refused(size):
    with pytest.raises(ValueError, match='micro_batch_size must be at least 1'):
        MicroBatchTrainLoop(micro_batch_size=size)


def test_a_wrapper_that_accumulates_too_is_refused(nano_config, tmp_path):
    nano_config.work_dir = str(tmp_path)
    nano_config.experiment_name = tmp_path.name
    nano_config.train_cfg.update(type='MicroBatchTrainLoop', micro_batch_size=1)
    nano_config.optim_wrapper.accumulative_counts = 2
    with pytest.raises(ValueError, match='accumulative_counts does not go with'):
        Runner.from_cfg(nano_config).train()


def test_batches_are_cut_in_order():
    batch = dict(inputs=list('abcde'), data_samples=list(range(5)))
    assert list(split_batch(batch, 2)) == [
        dict(inputs=['a', 'b'], data_samples=[0, 1]),
        dict(inputs=['c', 'd'], data_samples=[2, 3]),
        dict(inputs=['e'], data_samples=[4]),
    ]


def test_weights_are_shares_of_expressions():
    parts = [[dict(text=('a', 'b', 'c')), dict(text=('d',))], [dict(text=('e', 'f'))]]
    assert micro_batch_weights(parts) == pytest.approx([4 / 6, 2 / 6])

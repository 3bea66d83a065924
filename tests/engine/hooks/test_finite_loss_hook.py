from types import SimpleNamespace

import pytest
import torch

from m2ist_mm.engine.hooks import FiniteLossHook


def runner(**info):
    return SimpleNamespace(
        iter=11, epoch=2, message_hub=SimpleNamespace(runtime_info=info)
    )


BATCH = dict(data_samples=[SimpleNamespace(img_path=f'{name}.jpg') for name in 'ab'])


@pytest.mark.parametrize('loss', ['nan', 'inf', '-inf'])
def test_iteration_images_and_last_checkpoint_are_named(loss):
    outputs = dict(loss=torch.tensor(float(loss)))
    with pytest.raises(ValueError) as error:
        FiniteLossHook().after_train_iter(
            runner(last_ckpt='run/epoch_2.pth'), 1, BATCH, outputs
        )
    text = str(error.value)
    assert f'the loss is {loss} in iteration 12 (epoch 3)' in text
    assert 'images a.jpg, b.jpg; the last good checkpoint is run/epoch_2.pth.' in text
    with pytest.raises(ValueError, match='no checkpoint was saved before'):
        FiniteLossHook().after_train_iter(runner(), 1, BATCH, outputs)


@pytest.mark.filterwarnings('error')
def test_finite_losses_pass():
    outputs = dict(loss=torch.tensor(3.0, requires_grad=True))
    FiniteLossHook().after_train_iter(runner(), 1, BATCH, outputs)


def test_training_stops_at_the_first_loss_that_is_not_finite(make_runner, tmp_path):
    huge = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1e38))
    stopped = make_runner(
        max_epochs=3,
        optim_wrapper=huge,
        param_scheduler=None,
        custom_hooks=[dict(type='mmdet.FiniteLossHook')],
    )
    with pytest.raises(ValueError, match=r'the loss is .* in iteration 2 \(epoch 1\)'):
        stopped.train()
    assert not list((tmp_path / 'run').glob('*.pth'))

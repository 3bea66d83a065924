import os
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from safetensors.torch import load_file, save_file


@pytest.fixture
def saved_bert(language_config, tmp_path):
    """Folder of a BERT as transformers saves it, and the BERT."""
    model = MODELS.build(language_config).model.eval()
    model.save_pretrained(tmp_path / 'bert')
    return str(tmp_path / 'bert'), model


@torch.no_grad()
def test_features_are_the_bare_models_outputs(language_config, texts):
    tower = MODELS.build(language_config).eval()
    features = tower(*texts)
    bare = tower.model(input_ids=texts[0], attention_mask=texts[1])
    assert torch.equal(features.tokens, bare.last_hidden_state)
    assert torch.equal(features.input_tokens, tower.model.embeddings(texts[0]))
    assert torch.equal(features.mask, texts[0] == 0)
    assert features.tokens.shape == (3, 6, 48)
    assert tower.embed_dims == 48


def test_there_is_no_pooler(language_config):
    tower = MODELS.build(language_config)
    assert tower.model.pooler is None
    assert not any('pooler' in name for name in tower.state_dict())


@torch.no_grad()
def test_padding_does_not_change_the_tokens(language_config, texts):
    tower = MODELS.build(language_config).eval()
    ids, mask = texts
    expected = tower(ids, mask).tokens
    other = tower(ids.masked_fill(mask == 0, 9), mask).tokens
    torch.testing.assert_close(other[mask == 1], expected[mask == 1])
    alone = tower(ids[2:, :3], mask[2:, :3]).tokens
    torch.testing.assert_close(alone, expected[2:, :3])


@pytest.mark.parametrize('with_arch', [True, False])
@torch.no_grad()
def test_weights_from_a_folder(saved_bert, language_config, texts, with_arch):
    folder, bert = saved_bert
    language_config.weights = folder
    if not with_arch:
        del language_config['arch']
    tower = MODELS.build(language_config).eval()
    expected = bert(input_ids=texts[0], attention_mask=texts[1]).last_hidden_state
    assert torch.equal(tower(*texts).tokens, expected)
    assert tower.weights == folder
    assert tower.embed_dims == 48


def test_init_weights_leaves_pretrained_weights_alone(saved_bert, language_config):
    folder, bert = saved_bert
    language_config.weights = folder
    tower = MODELS.build(language_config)
    tower.init_weights()
    for name, value in bert.state_dict().items():
        assert torch.equal(tower.model.state_dict()[name], value)


def test_weights_that_do_not_fit_arch_are_refused(saved_bert, language_config):
    language_config.weights = saved_bert[0]
    language_config.arch.num_hidden_layers = 3
    with pytest.raises(ValueError, match=r'16 missing \(encoder\.layer\.2\.'):
        MODELS.build(language_config)


def test_weights_with_another_hash_are_refused(saved_bert, language_config):
    language_config.update(weights=saved_bert[0], sha256='0' * 64)
    with pytest.raises(ValueError, match='has sha256 .* expected 0{64}'):
        MODELS.build(language_config)


def test_neither_weights_nor_arch_is_an_error():
    with pytest.raises(ValueError, match='needs weights, arch, or both'):
        MODELS.build(dict(type='TransformersTower', weights=None))


@pytest.mark.parametrize('name', ['bert-base-uncased', '/nowhere/bert'])
def test_weights_that_cannot_be_had_say_what_to_do(no_hub, language_config, name):
    language_config.weights = name
    with pytest.raises(FileNotFoundError) as error:
        MODELS.build(language_config)
    for part in (
        f'language tower {name!r}',
        'model.backbone.language.weights=FOLDER',
        'model.data_preprocessor.tokenizer=FOLDER',
        'model.backbone.language.weights=None',
    ):
        assert part in str(error.value)


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_pickle_bomb_in_a_folders_weights_runs_nothing(
    saved_bert, language_config, tmp_path
):
    folder = Path(saved_bert[0])
    (folder / 'model.safetensors').unlink()
    torch.save({'bomb': Bomb(tmp_path / 'ran')}, folder / 'pytorch_model.bin')
    language_config.weights = str(folder)
    with pytest.raises(ValueError, match='bert.* cannot be read: UnpicklingError'):
        MODELS.build(language_config)
    assert not (tmp_path / 'ran').exists()


def test_damaged_weights_are_refused(saved_bert, language_config):
    path = Path(saved_bert[0]) / 'model.safetensors'
    os.truncate(path, path.stat().st_size // 2)
    language_config.weights = saved_bert[0]
    with pytest.raises(ValueError, match='bert.* cannot be read: SafetensorError'):
        MODELS.build(language_config)


@pytest.mark.parametrize('with_arch', [True, False])
def test_incomplete_weights_are_refused(saved_bert, language_config, with_arch):
    # transformers would leave the missing ones random
    path = Path(saved_bert[0]) / 'model.safetensors'
    state = load_file(path)
    del state['encoder.layer.1.output.dense.weight']
    save_file(state, path, metadata=dict(format='pt'))
    language_config.weights = saved_bert[0]
    if not with_arch:
        del language_config['arch']
    with pytest.raises(ValueError) as error:
        MODELS.build(language_config)
    assert 'incomplete: 1 missing (encoder.layer.1.output.dense.weight)' in str(
        error.value
    )


def test_weights_of_another_width_are_refused(saved_bert, language_config):
    path = Path(saved_bert[0]) / 'model.safetensors'
    state = load_file(path)
    state['encoder.layer.1.output.dense.weight'] = torch.zeros(48, 32)
    save_file(state, path, metadata=dict(format='pt'))
    language_config.weights = saved_bert[0]
    with pytest.raises(ValueError, match='bert.* cannot be read: RuntimeError'):
        MODELS.build(language_config)

import json
import logging
import math
import os
import re
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine import Config
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM
from transformers.utils.logging import is_progress_bar_enabled

from m2ist_mm.models.data_preprocessors import RECDataPreprocessor
from m2ist_mm.structures import InputSpec

CONFIGS = Path(__file__).parents[3] / 'configs' / 'm2ist'


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
    assert torch.equal(features.inputs, tower.model.embeddings(texts[0]))
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
    # transformers 4 makes an OSError of it
    refused = 'bert.* cannot be read: (UnpicklingError|OSError)'
    with pytest.raises(ValueError, match=refused):
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


def test_weights_that_are_not_finite_are_refused(saved_bert, language_config):
    path = Path(saved_bert[0]) / 'model.safetensors'
    state = load_file(path)
    state['encoder.layer.1.output.dense.weight'][0, 0] = math.nan
    save_file(state, path, metadata=dict(format='pt'))
    language_config.weights = saved_bert[0]
    with pytest.raises(ValueError, match='bert.* has 1 weights that are not finite'):
        MODELS.build(language_config)


def test_weights_of_another_width_are_refused(saved_bert, language_config):
    path = Path(saved_bert[0]) / 'model.safetensors'
    state = load_file(path)
    state['encoder.layer.1.output.dense.weight'] = torch.zeros(48, 32)
    save_file(state, path, metadata=dict(format='pt'))
    language_config.weights = saved_bert[0]
    with pytest.raises(ValueError, match='bert.* do not fit its config.json') as error:
        MODELS.build(language_config)
    fault = r'1 of another shape \(encoder.layer.1.output.dense.weight: \(48, 32\) inst'
    assert re.search(fault, str(error.value))


def test_weights_that_are_not_used_are_no_news(
    language_config, tmp_path, caplog, capsys, monkeypatch
):
    whole = AutoModel.from_config(AutoConfig.for_model(**language_config.arch))
    assert whole.pooler is not None
    whole.save_pretrained(tmp_path / 'bert')
    language_config.weights = str(tmp_path / 'bert')
    monkeypatch.setattr(logging.getLogger('transformers'), 'propagate', True)
    capsys.readouterr()
    MODELS.build(language_config)
    assert not caplog.records
    assert capsys.readouterr() == ('', '')
    # and others are as loud as before
    AutoModel.from_pretrained(tmp_path / 'bert', add_pooling_layer=False)
    assert 'pooler.dense.weight' in caplog.text
    assert is_progress_bar_enabled()


# other encoders than BERT -----------------------------------------------------------


WIDTHS = dict(
    hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64
)
ENCODERS = dict(
    roberta=('m2ist_r50-roberta_refcoco', dict(max_position_embeddings=16)),
    clip_text_model=('m2ist_r50-clip-text_refcoco', dict(max_position_embeddings=10)),
    bert=('m2ist_r50-minilm_refcoco', dict(max_position_embeddings=16)),
)


@pytest.fixture(params=ENCODERS)
def other(request, make_model):
    """A tiny tower of another architecture, as its config names it."""
    name, options = ENCODERS[request.param]
    config = Config.fromfile(CONFIGS / f'{name}.py').model.backbone
    config.language.weights = None
    config.language.arch.update(WIDTHS, vocab_size=30, **options)
    config.language.max_tokens = 8
    assert config.language.arch.model_type == request.param
    return make_model(config.language).eval()


@torch.no_grad()
def test_other_encoders_give_the_bare_models_outputs(other, texts):
    tower = other
    features = tower(*texts)
    bare = tower.model(input_ids=texts[0], attention_mask=texts[1])
    assert torch.equal(features.tokens, bare.last_hidden_state)
    assert torch.equal(features.mask, texts[0] == 0)
    assert tower.embed_dims == 32
    assert not any('pooler' in name for name in tower.state_dict())


@torch.no_grad()
def test_other_encoders_do_not_see_padding(other, texts):
    # also not in the positions: RoBERTa counts them by its own padding id
    tower = other
    ids, mask = texts
    expected = tower(ids, mask).tokens
    padded = tower(ids.masked_fill(mask == 0, 1), mask).tokens
    torch.testing.assert_close(padded[mask == 1], expected[mask == 1])
    alone = tower(ids[2:, :3], mask[2:, :3])
    torch.testing.assert_close(alone.tokens, expected[2:, :3])


@torch.no_grad()
def test_taps_of_other_encoders_lead_from_input_to_output(other, texts):
    tower = other
    tower.tap(dict(attention=[0, 1, 2], ffn=[0, 1, 2]))
    features = tower.encode(*texts)
    attention, ffn = features.taps['attention'], features.taps['ffn']
    if tower.model.config.model_type == 'clip_text_model':
        # before the residual, both
        x = features.inputs + sum(attention + ffn)
        names = dict(tower.named_modules())
        last = next(m for n, m in names.items() if n.endswith('final_layer_norm'))
        torch.testing.assert_close(last(x), features.tokens, rtol=1e-4, atol=1e-5)
    else:
        # attention after residual and norm, FFN before them
        for i, layer in enumerate(tower.model.encoder.layer):
            ffn_of_tap = layer.output.dense(layer.intermediate(attention[i]))
            torch.testing.assert_close(ffn[i], ffn_of_tap)
            x = layer.output.LayerNorm(attention[i] + ffn[i])
        torch.testing.assert_close(x, features.tokens)


@torch.no_grad()
def test_clip_text_looks_back_only(make_model):
    config = dict(
        type='TransformersTower',
        weights=None,
        arch=dict(model_type='clip_text_model', vocab_size=30, **WIDTHS),
    )
    tower = make_model(config).eval()
    ids = torch.tensor([[2, 5, 7, 3]])
    mask = torch.ones_like(ids)
    changed = tower(torch.tensor([[2, 5, 9, 3]]), mask).tokens
    differs = (changed - tower(ids, mask).tokens).abs().amax(-1)[0]
    assert (differs > 0).tolist() == [False, False, True, True]


@pytest.mark.parametrize('half', ['clip_text_model', 'roberta'])
@torch.no_grad()
def test_weights_of_a_larger_model_give_the_encoder(texts, tmp_path, half):
    if half == 'roberta':
        config = AutoConfig.for_model('roberta', vocab_size=30, **WIDTHS)
        whole = AutoModelForMaskedLM.from_config(config).eval()
        encoder, arch = whole.roberta, dict(WIDTHS, vocab_size=30)
    else:
        vision = dict(WIDTHS, image_size=32, patch_size=16)
        text = dict(WIDTHS, vocab_size=30)
        config = AutoConfig.for_model('clip', vision_config=vision, text_config=text)
        whole = AutoModel.from_config(config).eval()
        encoder, arch = whole.text_model, text
    whole.save_pretrained(tmp_path / 'whole')
    tower = MODELS.build(
        dict(
            type='TransformersTower',
            weights=str(tmp_path / 'whole'),
            arch=dict(model_type=half, **arch),
        )
    ).eval()
    expected = encoder(input_ids=texts[0], attention_mask=texts[1]).last_hidden_state
    assert torch.equal(tower(*texts).tokens, expected)


def write_bpe(folder, tokenizer_class, model_type, specials, end=''):
    """A byte-pair tokenizer of single letters, as a folder that transformers loads."""
    letters = 'abcdefghijklmnopqrstuvwxyz'
    tokens = [*specials, *letters, *(letter + end for letter in letters if end)]
    if not end:
        tokens.append('Ġ')
    folder.mkdir()
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / 'vocab.json').write_text(json.dumps(vocabulary))
    (folder / 'merges.txt').write_text('#version: 0.2\n')
    settings = dict(tokenizer_class=tokenizer_class)
    (folder / 'tokenizer_config.json').write_text(json.dumps(settings))
    (folder / 'config.json').write_text(json.dumps(dict(model_type=model_type)))
    return str(folder), len(tokens)


@pytest.mark.parametrize('kind', ['roberta', 'clip_text_model'])
@torch.no_grad()
def test_tokenizer_of_the_preprocessor_fits_the_tower(
    tmp_path, towers, make_sample, collate, make_model, kind
):
    if kind == 'roberta':
        specials = ['<s>', '<pad>', '</s>', '<unk>', '<mask>']
        folder, size = write_bpe(
            tmp_path / 'bpe', 'RobertaTokenizer', 'roberta', specials
        )
        first, last, padding = 0, 2, 1
    else:
        specials = ['<|startoftext|>', '<|endoftext|>']
        folder, size = write_bpe(
            tmp_path / 'bpe', 'CLIPTokenizer', 'clip', specials, '</w>'
        )
        first, last, padding = 0, 1, 1
    spec = InputSpec(tokenizer=folder, max_tokens=8)
    preprocessor = RECDataPreprocessor(spec.join(towers['vision'].input_spec))
    batch = preprocessor(
        collate(
            make_sample('a man', [0, 0, 9, 9]), make_sample('b', [0, 0, 9, 9], seed=1)
        )
    )
    ids, mask = batch['inputs']['input_ids'], batch['inputs']['attention_mask']
    lengths = mask.sum(1).tolist()
    assert lengths[0] > lengths[1] == 3
    assert ids[:, 0].tolist() == [first, first]
    assert [row[n - 1].item() for row, n in zip(ids, lengths, strict=True)] == [
        last,
        last,
    ]
    assert (ids[1, 3:] == padding).all()
    arch = dict(model_type=kind, vocab_size=size, **WIDTHS)
    tower = make_model(dict(type='TransformersTower', weights=None, arch=arch)).eval()
    tokens = tower(ids, mask).tokens
    torch.testing.assert_close(tower(ids[1:, :3], mask[1:, :3]).tokens, tokens[1:, :3])

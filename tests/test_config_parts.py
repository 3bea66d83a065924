from mmengine import Config

from m2ist_mm.config_parts import is_type, iter_dicts, iter_parts


def test_parts_are_found_in_dicts_lists_and_tuples_the_outer_ones_first():
    inner = dict(type='Pad')
    config = Config(dict(a=[dict(b=(inner, 1))], c='text'))
    assert list(iter_dicts(config)) == [config._cfg_dict, dict(b=(inner, 1)), inner]
    assert list(iter_parts([[inner], 2])) == [[[inner], 2], [inner], inner]
    assert not list(iter_parts(None))


def test_what_is_put_in_is_walked_through():
    part = dict(a=dict(old=True))
    seen = []
    for one in iter_dicts(part):
        seen.append(dict(one))
        if 'a' in one:
            one['a'] = dict(new=True)
    assert seen == [dict(a=dict(old=True)), dict(new=True)]


def test_type_is_a_class_or_its_name_with_or_without_scope():
    for kind in ('Config', 'mmengine.Config', Config):
        assert is_type(dict(type=kind), 'Config')
    assert not is_type(dict(type='MyConfig'), 'Config')
    assert not is_type({}, 'Config')

"""Rows of your own, as a table or under other names."""

import json

import pytest

from m2ist_mm.datasets import DatasetError
from m2ist_mm.datasets.formats.export import mark_rows
from m2ist_mm.datasets.formats.rows import read_rows


@pytest.fixture
def read(tmp_path):
    def run(text, name='mine.csv', **options):
        path = tmp_path / name
        path.write_text(text, encoding='utf-8')
        return read_rows(str(path), **options)

    return run


def test_a_table(read):
    (one, two), faults = read(
        'image,expression,x1,y1,x2,y2,split,sent_id,kind,more\n'
        'a.jpg,"left, small dog",1,2,30.5,40,train,7,animal,x\n'
        '\n'
        'b.jpg,cat,1,2,3,4,,,,\n'
    )
    assert faults == []
    assert one['text'] == 'left, small dog' and one['boxes'] == [[1, 2, 30.5, 40]]
    assert (one['split'], one['sent_id'], one['kind']) == ('train', 7, 'animal')
    assert one['entry'].endswith('mine.csv: line 2')
    assert two['sent_id'] == 1 and 'split' not in two and 'kind' not in two
    assert two['entry'].endswith('mine.csv: line 4')
    assert (one['origins'], two['origins']) == ([0], [1])


@pytest.mark.parametrize(
    ('cell', 'boxes'),
    [
        ('1 2 30 40', [[1, 2, 30, 40]]),
        ('[1, 2, 30, 40]', [[1, 2, 30, 40]]),
        ('(1; 2; 30; 40)', [[1, 2, 30, 40]]),
        ('[[1, 2, 3, 4], [5, 6, 7, 8]]', [[1, 2, 3, 4], [5, 6, 7, 8]]),
        ('[]', []),
        ('', []),
    ],
)
def test_a_box_in_one_cell(read, cell, boxes):
    (found,), faults = read(f'image,expression,bbox\na.jpg,dog,"{cell}"\n')
    assert (found['boxes'], faults) == (boxes, [])


def test_other_separators_and_forms(read):
    (found,), _ = read(
        'image\texpression\tx\ty\tw\th\na.jpg\tdog\t1\t2\t3\t4\n', 'a.tsv'
    )
    assert found['boxes'] == [[1, 2, 4, 6]]
    (found,), _ = read('image;expression;bbox\na.jpg;a, b;1 2 3 4\n', bbox_form='xywh')
    assert found['text'] == 'a, b' and found['boxes'] == [[1, 2, 4, 6]]
    (found,), _ = read('\ufeffimage,expression,x1,y1,x2,y2\na.jpg,dog,,,,\n')
    assert found['boxes'] == []


@pytest.mark.parametrize('first', ['sep=;', '"sep=;"', '\ufeffSEP=;'])
def test_the_first_line_of_excel_names_the_separator(read, tmp_path, first):
    text = f'{first}\r\nimage;expression;bbox\r\na.jpg;a, b, c, d;1 2 3 4\r\n'
    (found,), faults = read(text)
    assert (found['text'], found['boxes'], faults) == ('a, b, c, d', [[1, 2, 3, 4]], [])
    assert found['entry'].endswith('mine.csv: line 3')
    with pytest.raises(DatasetError, match='line 4 has fewer cells'):
        read(f'{text}b.jpg;e\r\n')
    read(text)
    written = mark_rows(str(tmp_path / 'mine.csv'), {0: dict(score=2)})
    again, _ = read(written)
    assert written.splitlines()[2] == 'a.jpg;a, b, c, d;1 2 3 4;2'
    assert [e['boxes'] for e in again] == [[[1, 2, 3, 4]]]


@pytest.mark.parametrize(
    ('columns', 'form', 'other', 'right', 'box'),
    [
        ('x1,y1,x2,y2', 'xyxy', 'xywh', 'x, y, w, h', [1, 2, 30, 40]),
        ('x,y,w,h', 'xywh', 'xyxy', 'x1, y1, x2, y2', [1, 2, 31, 42]),
    ],
)
def test_columns_say_the_form_of_their_box(read, columns, form, other, right, box):
    text = f'image,expression,{columns}\na.jpg,dog,1,2,30,40\n'
    for given in (None, form):
        assert read(text, bbox_form=given)[0][0]['boxes'] == [box]
    with pytest.raises(DatasetError) as caught:
        read(text, bbox_form=other)
    (fault,) = caught.value.faults
    assert fault.endswith(
        f'mine.csv: its columns {columns.replace(",", ", ")} are {form}, which '
        f'bbox_form={other!r} contradicts: leave it out, or call the columns {right} '
        'if they hold that'
    )
    assert read(text, bbox_form=other, with_boxes=False)[0][0]['text'] == 'dog'


@pytest.mark.parametrize(
    ('row', 'message'),
    [
        ('a.jpg,dog,1,2,3,4,5', 'line 2 has more cells than there are columns; a text'),
        ('a.jpg,dog,1,2,"3,5",4', "its x1, y1, x2, y2 are ['1', '2', '3,5', '4'], not"),
        ('a.jpg,dog,1,2,,', "its x1, y1, x2, y2 are ['1', '2', None, None], not four"),
        ('a.jpg,dog,1,2', 'line 2 has fewer cells than there are columns'),
        ('a.jpg,,1,2,3,4', "its 'expression' is None, not a str"),
        ('a.jpg,dog,1,2,3,4\nb.jpg,"cat,1', 'is no row of a table: unexpected end'),
    ],
)
def test_wrong_rows_are_one_line(read, row, message):
    try:
        _, faults = read(f'image,expression,x1,y1,x2,y2\n{row}\n')
    except DatasetError as error:
        faults = error.faults
    (fault,) = faults
    assert message in fault and 'mine.csv: line ' in fault


def test_a_column_that_is_there_twice_is_refused(read):
    with pytest.raises(DatasetError, match='a name occurs twice: image,image,bbox'):
        read('image,image,bbox\na.jpg,b.jpg,1 2 3 4\n')


def test_a_number_that_no_float_holds_is_refused(read):
    text = json.dumps([dict(image='a', expression='b', x1=10**400, y1=1, x2=2, y2=3)])
    _, (fault,) = read(text, 'mine.json')
    assert 'its x1, y1, x2, y2 are [1000' in fault and len(fault) < 300


@pytest.mark.parametrize('name', ['mine.csv', 'mine.json'])
def test_columns_without_box_are_named(read, name):
    text = 'image,expression,x,y,wide,high\n' + 'a.jpg,dog,1,2,3,4\n' * 3
    if name.endswith('json'):
        text = json.dumps([dict(image='a.jpg', expression='dog', x=1, y=2, wide=3)])
    with pytest.raises(DatasetError) as caught:
        read(text, name)
    (fault,) = caught.value.faults
    assert (
        f"{name}: no row has a 'bbox' (or the four columns x1 y1 x2 y2, or x y w h); "
        "the fields are 'image', 'expression', 'x', 'y', 'wide'" in fault
    )
    assert read(text, name, with_boxes=False)[0][0]['text'] == 'dog'


def test_capitals_in_names_of_columns_do_not_matter(read):
    text = 'Image,Expression,X1,Y1,X2,Y2,SPLIT,Note\na.jpg,dog,1,2,30,40,val,Far\n'
    for field in (None, 'Expression', 'expression'):
        (found,), faults = read(text, text_field=field)
        assert (found['image'], found['text'], faults) == ('a.jpg', 'dog', [])
        assert found['boxes'] == [[1, 2, 30, 40]] and found['split'] == 'val'
    assert read(text, text_field='Note')[0][0]['text'] == 'Far'
    with pytest.raises(DatasetError, match='a name occurs twice: image,Image,bbox'):
        read('image,Image,bbox\na.jpg,b.jpg,1 2 3 4\n')


@pytest.mark.parametrize(
    ('header', 'box'),
    [
        ('filename,description,xmin,ymin,xmax,ymax', [1, 2, 30, 40]),
        ('File_Name,Caption,Left,Top,Right,Bottom', [1, 2, 30, 40]),
        ('img,text,x,y,width,height', [1, 2, 31, 42]),
    ],
)
def test_usual_names_of_other_tables_are_known(read, header, box):
    (found,), faults = read(f'{header}\na.jpg,dog,1,2,30,40\n')
    assert (found['image'], found['text'], faults) == ('a.jpg', 'dog', [])
    assert found['boxes'] == [box]
    assert found['text_fields'] == [header.split(',')[1]]
    assert read(f'{header}\na.jpg,dog,1,2,30,40\n', text_field=header.split(',')[1])


def test_a_name_that_several_columns_might_have_is_not_guessed(read):
    text = 'image,path,caption,text,x1,y1,x2,y2\na.jpg,b.jpg,dog,cat,1,2,30,40\n'
    with pytest.raises(DatasetError, match="'image', 'path', 'caption', 'text', 'x1'"):
        read(text)
    (found,), _ = read(text, text_field='text')
    assert (found['image'], found['text']) == ('a.jpg', 'cat')


def test_the_field_of_the_text_can_be_named(read):
    text = json.dumps([dict(image='a.jpg', what='dog', bbox=[1, 2, 3, 4])])
    with pytest.raises(
        DatasetError, match="no row has 'expression'; name .* text_field"
    ):
        read(text, 'mine.json')
    with pytest.raises(DatasetError, match="the fields are 'image', 'what', 'bbox'"):
        read(text, 'mine.json', text_field='said')
    (found,), _ = read(text, 'mine.json', text_field='what')
    assert found['text'] == 'dog'

from m2ist_mm.datasets.checks import find_repetitions


def sample(image, *rows):
    return dict(
        img_path=image,
        text=[text for text, _ in rows],
        instances=[dict(bbox=bbox, bbox_label=n) for n, (_, bbox) in enumerate(rows)],
    )


LEFT, RIGHT, BOTH = [0, 0, 10, 10], [10, 0, 20, 10], [0, 0, 20, 10]


def test_sound_data_have_no_line():
    train = [sample('a', ('dog', LEFT), ('cat', RIGHT)), sample('a', ('pet', LEFT))]
    assert find_repetitions([('train', train), ('val', [sample('b')])]) == []


def test_images_in_several_splits_are_one_line():
    one = [sample('a', ('dog', LEFT)), sample('b', ('dog', LEFT))]
    other = [sample('b', ('cat', LEFT)), sample('a', ('cat', LEFT)), sample('c')]
    assert find_repetitions([('train', one), ('val', other)]) == [
        '2 images are in several splits, the first: a in train and val'
    ]


def test_same_words_for_disjoint_boxes_are_one_line():
    rows = [
        sample('a', ('The dog!', LEFT), ('the  dog', RIGHT)),
        sample('b', ('dog', LEFT), ('dog', BOTH)),  # they overlap
        sample('c', ('dog', LEFT)),
        sample('c', ('dog', RIGHT)),
    ]
    assert find_repetitions([('train', rows)]) == [
        "2 expressions name disjoint boxes of one image, the first: 'The dog!' in a"
    ]


def test_exact_repetitions_are_one_line():
    rows = [
        sample('a', ('dog', LEFT), ('dog', LEFT), ('dog', LEFT)),
        sample('a', ('Dog', LEFT)),
        sample('b', ('dog', LEFT)),
    ]
    assert find_repetitions([('train', rows)]) == [
        "2 rows repeat another one exactly (image, text and box), the first: 'dog' in a"
    ]


def test_texts_of_punctuation_alone_are_not_all_the_same():
    rows = [sample('a', ('?', LEFT), ('!', RIGHT))]
    assert find_repetitions([('train', rows)]) == []


def test_boxes_belong_to_the_expression_of_their_label():
    row = sample('a', ('dog', LEFT), ('cat', RIGHT))
    row['instances'].reverse()
    rows = [row, sample('a', ('dog', LEFT))]
    assert find_repetitions([('train', rows)]) == [
        "1 rows repeat another one exactly (image, text and box), the first: 'dog' in a"
    ]

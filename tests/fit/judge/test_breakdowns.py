from made_rows import make_answer

from m2ist_mm.fit.judge.breakdowns import breakdowns


def names_and_precision(groups):
    return [(group['name'], group['P@0.5']['value']) for group in groups]


def test_kinds_come_by_their_number():
    answers = [
        make_answer(0, 1.0, kind='rare'),
        make_answer(1, 1.0, kind='usual'),
        make_answer(2, 0.0, kind='usual'),
        make_answer(3, 0.0),
    ]
    groups = breakdowns(answers)['kind']
    assert names_and_precision(groups) == [('usual', 50), ('rare', 100)]
    assert 'kind' not in breakdowns(answers[3:])


def test_lengths_go_from_short_to_long():
    texts = ['dog', 'the dog on the left of it all', 'the dog', 'a dog on grass', 'cat']
    answers = [make_answer(n, n % 2) for n in range(5)]
    for answer, text in zip(answers, texts, strict=True):
        answer['expression'] = text
    groups = breakdowns(answers)['sentence length']
    assert names_and_precision(groups) == [
        ('1 word', 0),
        ('2 words', 0),
        ('3 to 4 words', 100),
        ('8 words and more', 100),
    ]


def test_sizes_are_shares_of_the_image():
    boxes = [[0, 0, 10, 29], [0, 0, 10, 30], [0, 0, 50, 60], [0, 0, 10, 100]]
    answers = [make_answer(n, 1) | dict(bbox=box) for n, box in enumerate(boxes)]
    groups = breakdowns(answers)['box size']
    assert [(group['name'], group['expressions']) for group in groups] == [
        ('below 3 % of the image', 1),
        ('3 to 10 %', 1),
        ('10 to 30 %', 1),
        ('30 % and more', 1),
    ]
    wide = make_answer(4, 1) | dict(bbox=boxes[2], width=1000)
    assert breakdowns([wide])['box size'][0]['name'] == '3 to 10 %'

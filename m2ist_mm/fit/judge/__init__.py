"""Judges a fitted model: what it is worth, where it fails, which labels are doubtful.

The driver trains and tests; this room says on which rows, and makes the report::

    runs = plan_runs(work_dir, learning_curve=True, compare=True, audit=True)
    for run in runs:  # those without run.predictions
        ...  # train on run.train (None: take the fitted model as it is)
        ...  # tools/test.py on run.test, --out run.predictions
    report = judge(work_dir, runs, facts=[Fact('memory', '2 GB', '1.9 GB')])

It reads the runs' predictions and, in ``work_dir/data/``, ``{train,val,test}.jsonl``
(rows with ``sent_id``, ``width`` and ``height``; test is what is judged on)
and ``summary.json`` (``image_root``, ``constant_box``). It writes ``report.html`` and
``report.json``, with the same figures.
"""

from .fact import Fact
from .report import judge
from .run import Run, plan_runs

__all__ = ['Fact', 'Run', 'judge', 'plan_runs']

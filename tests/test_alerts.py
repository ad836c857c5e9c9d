"""How an alert reads. Full-width marks are written as code points: editors change them too easily."""

from __future__ import annotations

import pytest

from streams.alerts import typeset_zh


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("已响铃 10 秒,仍无人接听", "已响铃 10 秒\uff0c仍无人接听"),
        ("响铃结束: 已接听", "响铃结束\uff1a已接听"),
        ("王芳(101)的电话", "王芳\uff08101\uff09的电话"),
        ("客户转接给110 号坐席", "客户转接给 110 号坐席"),
        ("hotline队列", "hotline 队列"),
        ("售后队列", "售后队列"),
        ("客户转接给Ben Ortiz(102)已等待", "客户转接给 Ben Ortiz\uff08102\uff09已等待"),
        ("3.2.9", "3.2.9"),
        ("10:30 起", "10:30 起"),
    ],
)
def test_chinese_is_printed_with_full_width_marks_and_spaces_around_latin(written: str, printed: str) -> None:
    assert typeset_zh(written) == printed
    assert typeset_zh(printed) == printed

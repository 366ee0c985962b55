"""Names of downloads: what stands in ids of parties neither ends a header nor leads elsewhere."""

from __future__ import annotations

import pytest

from fenrun.portal.pages.downloads import disposition


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("P1-2024-09.csv", 'filename="P1-2024-09.csv"'),
        ("../../etc/P1.csv", 'filename="etc-P1.csv"'),
        ('a";filename="b.exe', 'filename="a-;filename=-b.exe"'),
        ("a\r\nSet-Cookie: x=1", 'filename="a--Set-Cookie- x=1"'),
        ("C:\\x\u202egnp.exe", 'filename="C--x-gnp.exe"'),
        ("北辰云-2024.pdf", "filename*=utf-8''%E5%8C%97%E8%BE%B0%E4%BA%91-2024.pdf"),
        ("...", 'filename="file"'),
    ],
)
def test_a_download_has_a_plain_name(name: str, said: str) -> None:
    assert disposition(name) == f"attachment; {said}"

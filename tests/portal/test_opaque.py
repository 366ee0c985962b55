"""Ids of parties in addresses and file names: they lead nowhere else, and stop no page."""

from __future__ import annotations

import re

import httpx
import pytest

from fenrun.portal.opaque import opaque, opened
from tests.portal.served import Portal

_ODD = "A/B\n../..;%2F?x=1#\u202e~ 北"
_STRANGER = f"""
import json
from fenrun.portal import models
found = models.Statement.objects.using("default").order_by("-period_id", "rank").first()
found.pk, found.payee, found.name = None, {_ODD!r}, "Odd one"
for line in found.body["lines"]:
    line["line"] += "/" + {_ODD!r}
found.save(using="default")
print(json.dumps(found.period_id))
"""


@pytest.mark.parametrize(
    "text", ["P-000001", "北辰云", _ODD, "a/b", "..", ".", "~x", "~", "a b", "a%2Fb", "\n", "a+b"]
)
def test_an_id_arrives_as_it_was_sent(text: str) -> None:
    part = opaque(text)
    assert opened(part) == text
    assert httpx.URL(f"http://x/a/{part}/b").path == f"/a/{part}/b"
    assert part == text or re.fullmatch(r"~[\w-]+", part)


@pytest.mark.parametrize("part", ["~a", "~!!!!", "~_____w", "~北"])
def test_what_is_no_id_is_refused(part: str) -> None:
    with pytest.raises(ValueError):
        opened(part)


def test_a_party_of_any_name_has_its_pages(own: Portal) -> None:
    period = own.python(_STRANGER)
    part = opaque(_ODD)
    with own.sign_in("operations") as client:
        listed = client.get("/statements/", params={"period": period})
        assert listed.status_code == 200 and f"/statements/{period}/{part}/" in listed.text
        page = client.get(f"/statements/{period}/{part}/")
        assert page.status_code == 200 and "Odd one" in page.text
        assert re.search(rf"/lines/{period}/~[\w-]+/", page.text), "lines lead to themselves"
        assert client.get(f"/api/statements/{period}/{part}").status_code == 200
        saved = client.get(f"/statements/{period}/{part}/", params={"format": "json"})
        assert saved.status_code == 200
        assert client.get(f"/statements/{period}/~a/").status_code == 404

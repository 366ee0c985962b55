"""Sources: which delivery takes the place of which, said once in `sources.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from fenrun.base.problem import Refused
from fenrun.charges.delivered import months_of
from fenrun.settle.deliveries import Decision, decide, undecided
from fenrun.settle.imports import Wanted, import_files
from fenrun.settle.sources import read_sources, source_of
from fenrun.store.facts import Imported, Store

OVERWRITE = "sources: [{source: acme, files: acme/*, delivers: overwrite}]"
VERSIONED = "sources: [{source: acme, files: 'acme/{version}/*', delivers: overwrite}]"
HEAD = (
    "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
    "InvoiceIssuerName,ResourceId\n"
)


def _month(days: range, month: int = 9, cents: str = "50", issuer: str = "Acme") -> str:
    start = f"2024-{month:02}-01T00:00:00Z"
    rows = (
        f"{100 + d}.{cents},A1,USD,{start},2024-{month:02}-{d:02}T00:00:00Z,{issuer},r{d}\n"
        for d in days
    )
    return HEAD + "".join(rows)


class Workspace:
    """A workspace with a `sources.yaml`, into which one delivery comes a day."""

    def __init__(self, folder: Path, sources: str):
        self.folder, self.store, self.day = folder, Store(folder / "ws"), 0
        self.store.path.mkdir()
        (self.store.path / "sources.yaml").write_text(sources)

    def take(self, files: Mapping[str, str], replaces: tuple[str, ...] = ()) -> list[str]:
        """Import files in one command; return the codes that are said of them."""
        self.day += 1
        paths = []
        for name, content in files.items():
            paths.append(self.folder / name)
            paths[-1].parent.mkdir(parents=True, exist_ok=True)
            paths[-1].write_text(content)
        known = datetime(2025, 1, self.day)
        done = list(import_files(self.store, paths, known, wanted=Wanted(replaces)))
        self.done = [one for one in done if isinstance(one, Imported)]
        return [p.code for one in done for p in one.problems if p.code.startswith("delivery")]

    @property
    def in_force(self) -> list[str]:
        """Sources and totals of what is in force."""
        found = self.store.imports("charges")
        return sorted(f"{item.source} {item.facts['billed'].get('USD', 0)}" for item in found)

    @property
    def open(self) -> list[str]:
        return [problem.code for problem in undecided(self.store, datetime(2025, 2, 1))]


@pytest.fixture
def acme(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, OVERWRITE)


@pytest.fixture
def versioned(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, VERSIONED)


def test_a_month_to_date_takes_the_place_of_the_one_before(acme: Workspace) -> None:
    assert acme.take({"acme/x.csv": _month(range(1, 3))}) == []
    assert acme.take({"acme/x.csv": _month(range(1, 5))}) == ["delivery-replaced"]
    assert acme.take({"acme/x.csv": _month(range(1, 2), 10)}) == []
    assert acme.in_force == ["x.csv 101.50", "x.csv 412.00"] and acme.open == []
    (event,) = acme.store.log.events("charges", acme.store.imports("charges")[0].id)
    assert event.facts()["delivered"] == {"source": "acme"} and event.facts()["replaces"]


def test_parts_of_one_command_are_one_delivery(acme: Workspace) -> None:
    acme.take({"acme/0.csv": _month(range(1, 4)), "acme/1.csv": _month(range(4, 6))})
    parts = {"acme/0.csv": _month(range(1, 5)), "acme/1.csv": _month(range(5, 8))}
    assert "delivery-replaced" in acme.take(parts)
    assert acme.in_force == ["0.csv 412.00", "1.csv 319.50"] and acme.open == []


def test_a_part_that_comes_alone_drops_nothing_and_is_asked_about(acme: Workspace) -> None:
    acme.take({"acme/0.csv": _month(range(1, 4))})
    assert acme.take({"acme/1.csv": _month(range(4, 6))}) == []
    assert len(acme.in_force) == 2 and acme.open == ["delivery-stays"]
    decide(acme.store, "1.csv", Decision(adds="0.csv"), datetime(2025, 1, 3))
    assert acme.open == [] and len(acme.in_force) == 2


def test_a_month_priced_anew_is_asked_about(acme: Workspace) -> None:
    acme.take({"acme/x.csv": _month(range(1, 4))})
    acme.take({"acme/y.csv": _month(range(1, 4), cents="75")})
    assert acme.open == ["charges-restated"]
    decide(acme.store, "y.csv", Decision(replaces="x.csv"), datetime(2025, 1, 3))
    assert acme.open == [] and acme.in_force == ["y.csv 308.25"]


def test_what_would_drop_another_month_is_refused(acme: Workspace) -> None:
    both = _month(range(1, 5)) + _month(range(1, 2), 10).removeprefix(HEAD)
    acme.take({"acme/both.csv": both})
    assert acme.take({"acme/sep.csv": _month(range(1, 6))}) == ["delivery-other-month"]
    assert acme.in_force == ["both.csv 513.50"]


def test_an_earlier_form_comes_back_only_where_it_is_meant(acme: Workspace) -> None:
    first = _month(range(1, 5))
    acme.take({"acme/x.csv": first})
    acme.take({"acme/x.csv": _month(range(1, 6))})
    acme.take({"acme/x.csv": first})
    assert not acme.done[0].new and acme.in_force == ["x.csv 517.50"]
    acme.take({"acme/x.csv": first}, replaces=("x.csv",))
    assert acme.done[0].new and acme.in_force == ["x.csv 412.00"]
    acme.take({"acme/x.csv": first}, replaces=("x.csv",))
    assert not acme.done[0].new and acme.in_force == ["x.csv 412.00"] and acme.open == []


def test_versions_replace_each_other_in_their_order_even_in_one_command(
    versioned: Workspace,
) -> None:
    first = {"acme/0910/0.csv": _month(range(1, 3)), "acme/0910/1.csv": _month(range(3, 5))}
    later = {"acme/0916/0.csv": _month(range(1, 3), cents="60"), "acme/0916/1.csv": HEAD}
    versioned.take(first | later)
    assert versioned.in_force == ["0.csv 204.20", "1.csv 0"] and versioned.open == []
    versioned.take(first | later)  # the whole folder again
    assert not any(one.new for one in versioned.done)
    assert versioned.take({"acme/0911/0.csv": _month(range(1, 4))}) == ["delivery-older"]
    assert versioned.in_force == ["0.csv 204.20", "1.csv 0"]


def test_a_part_that_comes_later_is_one_of_its_version(versioned: Workspace) -> None:
    versioned.take({"acme/1/0.csv": _month(range(1, 3))})
    versioned.take({"acme/2/0.csv": _month(range(1, 4))})
    assert versioned.take({"acme/2/1.csv": _month(range(4, 6))}) == []
    assert versioned.in_force == ["0.csv 307.50", "1.csv 210.00"] and versioned.open == []


def test_a_later_version_may_be_what_an_earlier_one_was(versioned: Workspace) -> None:
    first, other = _month(range(1, 5)), _month(range(1, 6))
    for version, content in enumerate((first, other, first), 1):
        versioned.take({f"acme/{version}/0.csv": content})
    assert versioned.in_force == ["0.csv 412.00"]
    for version, content in enumerate((first, other, first), 1):
        versioned.take({f"acme/{version}/0.csv": content})
        assert not versioned.done[0].new
    assert versioned.in_force == ["0.csv 412.00"] and versioned.open == []


def test_a_month_that_begins_in_shanghai_is_that_month(acme: Workspace) -> None:
    """A delivery says 2024-09-01 in UTC, the next the same moment of another zone."""
    acme.take({"acme/x.csv": _month(range(2, 4))})
    local = _month(range(2, 5)).replace("2024-09-01T00:00:00Z", "2024-08-31T16:00:00Z")
    acme.take({"acme/x.csv": local})
    assert acme.open == ["charges-renamed"], "both bill September: nobody counts them twice unsaid"
    assert {months_of(item.facts) for item in acme.store.imports("charges")} == {"2024-09"}


def test_what_appends_replaces_nothing_and_is_filled(tmp_path: Path) -> None:
    said = "sources: [{source: a, files: 'in/*', set: {InvoiceIssuerName: Acme}}]"
    workspace = Workspace(tmp_path, said)
    workspace.take({"in/1.csv": _month(range(1, 3), issuer="")})
    workspace.take({"in/2.csv": _month(range(3, 5), issuer="")})
    assert workspace.open == [] and len(workspace.in_force) == 2
    assert workspace.done[0].facts["set"]["InvoiceIssuerName"] == {"value": "Acme", "rows": 2}


@pytest.mark.parametrize(
    ("files", "address", "version"),
    [
        ("acme/*", "/exports/acme/2024/09/part-0.csv", ""),
        ("acme/*", "acme/part-0.csv", ""),
        ("acme/{version}/*", "/exports/acme/0910/a/part-0.csv", "0910"),
        ("s3://bucket/focus/*", "s3://bucket/focus/2024/x.parquet", ""),
        ("s3://bucket/{version}/*", "s3://bucket/v2/x.parquet", "v2"),
        ("focus-*-{version}.csv", "/in/focus-2024-09-run7.csv", "run7"),
        ("*.parquet", "/any/where.parquet", ""),
        ("in\\\\*", "/srv/in/x.csv", ""),
    ],
)
def test_files_fit_the_end_of_an_address(
    tmp_path: Path, files: str, address: str, version: str
) -> None:
    (tmp_path / "sources.yaml").write_text(f'sources: [{{source: a, files: "{files}"}}]')
    found = source_of(read_sources(tmp_path), address)
    assert found and found[1].version == version
    assert source_of(read_sources(tmp_path), "/exports/other.txt") is None


@pytest.mark.parametrize(
    "said",
    [
        "sources: {a: b}",
        "- a",
        "sources: [{source: a}]",
        "sources: [{source: a, files: 3}]",
        "sources: [{source: a, files: x, delivers: both}]",
        "sources: [{source: a, files: x, set: [b]}]",
        "sources: [{source: a, files: x, when: now}]",
        "sources: [{source: a, files: x}, {source: a, files: y}]",
        "sources: [{source: a, files: '{version}/{version}'}]",
        "sources: [",
    ],
)
def test_what_cannot_be_followed_is_refused_before_anything_is_read(
    tmp_path: Path, said: str
) -> None:
    workspace = Workspace(tmp_path, said)
    with pytest.raises(Refused, match=r"sources\.yaml"):
        workspace.take({"acme/x.csv": _month(range(1, 3))})
    assert not workspace.store.log.events()


def test_a_file_of_two_sources_is_refused(tmp_path: Path) -> None:
    two = "sources: [{source: a, files: '*.csv'}, {source: b, files: 'acme/*'}]"
    workspace = Workspace(tmp_path, two)
    workspace.take({"acme/x.csv": _month(range(1, 3))})
    assert workspace.done == []


def test_what_was_voided_comes_back_where_that_is_said(acme: Workspace) -> None:
    """Twice; imported again by itself it is said to be over."""
    content = {"acme/x.csv": _month(range(1, 3))}
    acme.take(content)
    for _ in range(2):
        (item,) = acme.store.imports("charges")
        acme.day += 1
        decide(acme.store, item.id, Decision(void=True), datetime(2025, 1, acme.day))
        acme.take(content)
        assert acme.in_force == [] and not acme.done[0].new
        (said,) = [p for p in acme.done[0].problems if p.code == "import-over"]
        acme.take(content, replaces=(said.values["id"],))
        assert acme.in_force == ["x.csv 204.00"] and acme.done[0].new
    assert acme.open == []


def test_a_part_that_did_not_change_is_of_the_later_version_too(tmp_path: Path) -> None:
    """It was left to the earlier one, whose place the parts beside it took: it was lost, unsaid."""
    first, rest = _month(range(1, 4)), _month(range(4, 9))
    more = _month(range(4, 12))
    for name, takes in {
        "a day later": [{"10/a": first, "10/b": rest}, {"16/a": first, "16/b": more}],
        "the changed one first": [{"10/a": rest, "10/b": first}, {"16/a": more, "16/b": first}],
        "at once": [{"10/a": first, "10/b": rest, "16/a": first, "16/b": more}],
        "three": [{"10/a": first}, {"16/a": first}, {"17/a": first, "17/b": more}],
    }.items():
        (tmp_path / name).mkdir()
        workspace = Workspace(tmp_path / name, VERSIONED)
        for files in takes:
            workspace.take({f"acme/{path}.csv": content for path, content in files.items()})
        billed = [one.split()[1] for one in workspace.in_force]
        assert sorted(billed) == ["307.50", "864.00"], name
        assert not workspace.open, name
        before = workspace.in_force
        workspace.take({f"acme/{p}.csv": c for p, c in takes[-1].items() if p[:2] > "10"})
        assert workspace.in_force == before, name


A, B, C, D = (_month(range(first, first + 2)) for first in (1, 5, 9, 13))
TOGETHER = {
    # The files of a first command and of one that replaces them by their names; what counts then.
    "the first unchanged": ({"a": A, "b": B}, {"a": A, "b": C}, "AC"),
    "the second unchanged": ({"a": A, "b": B}, {"a": C, "b": B}, "BC"),
    "both unchanged": ({"a": A, "b": B}, {"a": A, "b": B}, "AB"),
    "names exchanged": ({"a": A, "b": B}, {"a": B, "b": A}, "AB"),
    "one of three unchanged": ({"a": A, "b": B, "c": C}, {"a": D, "b": B}, "BD"),
    "one more": ({"a": A}, {"a": A, "b": B}, "AB"),
    "all others": ({"a": A, "b": B}, {"a": C, "b": D}, "CD"),
}


@pytest.mark.in_turn(3)
@pytest.mark.parametrize("case", TOGETHER)
def test_what_is_replaced_by_itself_and_others_stays(case: str, tmp_path: Path) -> None:
    first, then, wanted = TOGETHER[case]
    workspace = Workspace(tmp_path, "sources: []")
    workspace.take({f"old/{name}.csv": content for name, content in first.items()})
    named = tuple(f"{name}.csv" for name in first)
    workspace.take({f"new/{name}.csv": content for name, content in then.items()}, named)
    totals = {"A": "204.00", "B": "212.00", "C": "220.00", "D": "228.00"}
    billed = sorted(one.split()[1] for one in workspace.in_force)
    assert billed == [totals[name] for name in wanted]
    assert len(workspace.done) == len(then) and not workspace.open


BAD = A.replace("101.50", "x")


@pytest.mark.parametrize("sources", [VERSIONED, "sources: []"])
def test_a_part_that_is_refused_takes_no_money_with_it(sources: str, tmp_path: Path) -> None:
    """What it held before would be replaced by the parts beside it: what was there counts."""
    workspace = Workspace(tmp_path, sources)
    workspace.take({"acme/10/a.csv": A, "acme/10/b.csv": B})
    named = () if sources == VERSIONED else ("a.csv", "b.csv")
    for files in ({"a": BAD, "b": C}, {"a": C, "b": BAD}):
        workspace.take({f"acme/16/{name}.csv": text for name, text in files.items()}, named)
        assert workspace.done == []
        assert workspace.in_force == ["a.csv 204.00", "b.csv 212.00"]
    workspace.take({"acme/16/a.csv": D, "acme/16/b.csv": C}, named)
    assert workspace.in_force == ["a.csv 228.00", "b.csv 220.00"]

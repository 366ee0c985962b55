"""The import of a FOCUS file.

Money that cannot be read exactly refuses the whole file, since its total could not be stated. A row
without account, date or currency goes to quarantine, whole, with its problem. Everything else is
kept as it came, and what is odd about it is said.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from fenrun.base.ids import digest, short
from fenrun.base.problem import ERROR, Place, Problem, Refused, in_order, refused
from fenrun.charges import checks
from fenrun.charges.backwards import ends_before_begin
from fenrun.charges.delivered import (
    Delivery,
    months_of,
    place_of,
    said_of,
    share_months,
    version_of,
)
from fenrun.charges.facts import billing_facts, stored_facts
from fenrun.charges.far import far_from_billing
from fenrun.charges.filled import completed, fill
from fenrun.charges.from_arrow import NotPlain, read_plain
from fenrun.charges.from_duckdb import read_any, write_quarantine
from fenrun.charges.ids import shortened_ids, with_tidy_ids
from fenrun.charges.mendable import Mended, refuse_mended_meanwhile, with_mended, write_mendable
from fenrun.charges.overlaps import repeated_rows, write_digests
from fenrun.charges.redelivered import write_redelivered
from fenrun.charges.source import (
    NOTHING_SAID,
    Content,
    Said,
    Source,
    open_arrow,
    open_source,
    read_content,
)
from fenrun.charges.staged import Staged
from fenrun.charges.stored import move_files, write_charges
from fenrun.charges.totals import without_totals
from fenrun.charges.within import summed_within
from fenrun.charges.zones import in_zone
from fenrun.store.audit_log import Writer
from fenrun.store.facts import Enter, Import, Imported, Replaced, Store, manifest

_SUFFIXES = {"none": ".zst", "gzip": ".gz", "zstd": ".zst", "zip": ".zip"}
"""The endings of an archive by how a text came packed."""


@dataclass(frozen=True)
class _Ready:
    """A file that waits to be entered: its files in a scratch folder, and its manifest's parts."""

    facts: dict[str, Any]
    problems: Sequence[Problem]


def stage_charges(
    store: Store,
    path: Path,
    progress: Callable[[int], Any] = lambda n: None,
    said_of_it: Said = NOTHING_SAID,
    known: datetime | None = None,
    delivery: Delivery | None = None,
    is_meant: bool = False,
    mended: Mended | None = None,
) -> Enter:
    """Read, check and write one FOCUS file to a scratch folder: all that nobody must wait for.

    `said_of_it` is what somebody says beyond its bytes, `known` from when it is known. As a
    `delivery` it takes the place of earlier ones of its source. What was replaced comes back as an
    import of its own if that `is_meant`, or if it is a later version. Its rows may be those of an
    import that were kept aside, `mended`. What is returned enters it. Both raise Refused; the store
    is then untouched.
    """
    scratch = tempfile.TemporaryDirectory(prefix="fenrun-")
    try:
        source, seen = open_whole(path, Path(scratch.name), progress, said_of_it)
        bare = NOTHING_SAID.digest_of(seen.digest)
        content = digest("charges", seen.digest, mended.facts) if mended else ""
        content = content or said_of_it.digest_of(seen.digest)
        ready = _Ready({}, [])
        files = Path(scratch.name, "files")
        files.mkdir()
        comes_back = _comes_back(store, content, delivery, is_meant or bool(mended))
        if comes_back or is_meant or not store.has("charges", content):
            ready = _written(source, seen, files, said_of_it, known)
        ready = _of_mended(ready) if mended else ready
    except BaseException:
        scratch.cleanup()
        raise

    def enter(known: datetime, replaces: Replaced) -> Imported:
        with scratch:
            if replaces.refusal:
                raise replaces.refusal
            same = store.find("charges", content)  # from before, or entered meanwhile
            is_back = comes_back or _is_back(store, content, delivery, replaces)
            if same and not (is_back and ready.facts):
                replaces.kept.update(_forms_of(store, content))
                return _as_before(store, path.name, content, same)
            there, place = replaces.there, Place(path.name)
            names = _others(store, content, replaces) if same else replaces.names
            replaced = _named(replaces, place, names, ready.facts)
            otherwise = [] if mended else _said_otherwise(store, bare, content)
            replaced += [item.id for item in otherwise]
            there = _before(store, delivery, known, replaces)
            facts, more = _as_delivered(delivery, path.name, files, ready.facts, there, replaced)
            if "replaces" in facts:
                facts["replaces"] = with_mended(store, facts["replaces"])
            facts |= _known_as(bare, content, bool(same), mended)
            new = digest("charges", content, _forms_of(store, content)) if same else content
            more += [Problem("said-otherwise", place, {"id": short(i.id)}) for i in otherwise]
            problems = in_order([*ready.problems, *more])
            said = manifest(path.name, known, facts, problems)
            ids, seen = facts.get("replaces", ()), {item.id for item in (*replaces.there, *there)}

            def allow(log: Writer) -> None:
                _refuse_decided_meanwhile(store, place, ids, seen - replaces.done)
                if mended:
                    mended.check(log)

            store.add("charges", new, said, partial(move_files, files), allowed=allow)
            replaces.done.update(ids)
        return Imported(path.name, new, True, facts, tuple(problems))

    return enter


def _before(
    store: Store, delivery: Delivery | None, known: datetime, replaces: Replaced
) -> Sequence[Import]:
    """Return the imports among which those are whose place a delivery takes.

    Of a version they are all that are in force, else those that were when the command began: its
    own files are parts of one delivery.
    """
    if delivery and delivery.version:
        return store.imports("charges", known)
    return [item for item in replaces.there if item.id not in replaces.kept]


def _known_as(bare: str, content: str, is_again: bool, mended: Mended | None) -> dict[str, Any]:
    """Return by what the bytes of an import are known again."""
    found: dict[str, Any] = {"again": content} if is_again else {}
    if mended:
        return found | {"mends": mended.facts}
    return found | ({"bytes": bare} if content != bare else {})


def _named(
    replaces: Replaced, place: Place, names: Sequence[str], facts: Mapping[str, Any]
) -> list[str]:
    """Return the ids of the imports of some names, without what files of the command are."""
    ids = (import_named(replaces.there, place, name, facts).id for name in names)
    return [id_ for id_ in ids if id_ not in replaces.kept]


def _refuse_decided_meanwhile(
    store: Store, place: Place, ids: Sequence[str], seen: set[str]
) -> None:
    """Raise Refused where rows of what is replaced were mended, or it was replaced, since `seen`.

    Both replacements would count.
    """
    refuse_mended_meanwhile(store, place, ids)
    taken = seen.intersection(ids)
    gone = taken - {item.id for item in store.imports("charges")} if taken else taken
    if gone:
        raise refused("decided-meanwhile", place, id=short(min(gone)))


def _of_mended(ready: _Ready) -> _Ready:
    """Return mended rows as they come in. Raises Refused where one would be kept aside again.

    What they had is of UTC, in which it was read before; what was corrected may not be.
    """
    if ready.facts.get("quarantined"):
        raise Refused(problem for problem in ready.problems if problem.severity == ERROR)
    kept = [problem for problem in ready.problems if problem.code != "zone-unused"]
    return replace(ready, problems=kept)


def _said_otherwise(store: Store, bare: str, content: str) -> list[Import]:
    """Return the imports in force of the same bytes, of which something else was said."""
    return [
        item
        for item in store.imports("charges")
        if bare in (item.id, item.facts.get("bytes"), item.facts.get("again"))
        and not _is(item, content)
    ]


def _as_before(store: Store, file: str, content: str, same: Import) -> Imported:
    """Return a file that came before as it is there; where it counts no longer, that is said."""
    there = next((i for i in store.imports("charges") if _is(i, content)), None)
    problems = list((there or same).problems)
    if there is None:
        problems.append(Problem("import-over", Place(file), {"id": short(same.id)}))
    return Imported(file, (there or same).id, False, (there or same).facts, tuple(problems))


def _others(store: Store, content: str, replaces: Replaced) -> list[str]:
    """Return what a content that comes back replaces besides its own forms, which are over."""
    own = {content, short(content), *_forms_of(store, content)}
    own |= {short(id_) for id_ in own}
    return [name for name in replaces.names if name not in own]


def _comes_back(store: Store, content: str, delivery: Delivery | None, is_meant: bool) -> bool:
    """Return whether a content that was replaced is to be there again.

    One that is there comes back as a part of a later version of its source, of which it is too: as
    one of the version before, it would go with this.
    """
    if not store.has("charges", content):
        return False
    there = next((i for i in store.imports("charges") if _is(i, content)), None)
    if there:
        source = there.facts.get("delivered", {}).get("source")
        is_same = bool(delivery and delivery.overwrites and delivery.source == source)
        return is_same and bool(delivery and delivery.version > version_of(there))
    everything = store.imports_between("charges", datetime.min, datetime.max)
    same = [item for item in everything if _is(item, content)]
    return is_meant or bool(delivery and delivery.version > max(map(version_of, same)))


def _is_back(store: Store, content: str, delivery: Delivery | None, replaces: Replaced) -> bool:
    """Return whether a content is to be there again that other files of a command replaced."""
    is_gone = not replaces.done.isdisjoint(_forms_of(store, content))
    return _comes_back(store, content, delivery, is_gone)


def _forms_of(store: Store, content: str) -> list[str]:
    """Return the ids under which a content came in so far, in force or not."""
    everything = store.imports_between("charges", datetime.min, datetime.max)
    return [item.id for item in everything if _is(item, content)]


def _is(item: Import, content: str) -> bool:
    """Return whether an import has this content, at first or as it came back."""
    return content in (item.id, item.facts.get("again"))


def _as_delivered(
    delivery: Delivery | None,
    file: str,
    folder: Path,
    facts: Mapping[str, Any],
    there: Sequence[Import],
    replaced: Sequence[str],
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the facts of an import with what it replaces, and a note for each place it takes.

    Raises Refused.
    """
    found, notes = dict(facts), list[Problem]()
    ids = list(replaced)
    if delivery:
        found["delivered"] = delivery.facts()
        taken = place_of(delivery, file, folder, facts, there)
        notes = [said_of(file, found, item) for item in taken.replaced]
        ids += [item.id for item in taken.replaced if item.id not in ids]
        beside = [item.id for item in taken.beside if item.id not in ids]
        found |= {"beside": beside} if beside else {}
    return found | ({"replaces": ids} if ids else {}), notes


def open_whole(
    path: Path, scratch: Path, progress: Callable[[int], Any], said: Said = NOTHING_SAID
) -> tuple[Source, Content]:
    """Open a file and read its content once. Raises Refused.

    Where its beginning is UTF-8 and a later line is not, the encoding is told by all such lines.
    """
    source = open_source(path, scratch, said=said)
    try:
        return source, read_content(source, progress)
    except Refused as refusal:
        if said.encoding or source.path != path or refusal.problems[0].code != "file-encoding":
            raise
    source = open_source(path, scratch, is_thorough=True, said=said)
    return source, read_content(source, progress)


def _written(
    source: Source,
    content: Content,
    into: Path,
    said: Said,
    known: datetime | None,
) -> _Ready:
    """Write the files of an import into a folder."""
    # Written meanwhile: the bytes as they came, and the charges while they are checked.
    with tempfile.TemporaryDirectory(prefix="fenrun-") as scratch, ThreadPoolExecutor(3) as beside:
        written = [beside.submit(_archive, source, into)]
        read = replace(read_staged(source, content, Path(scratch)), known=known)
        staged, filled = fill(read, said.fills)
        charges = staged.charges()
        written.append(beside.submit(write_charges, into, charges, source.path.name))
        written.append(beside.submit(write_digests, into, charges))
        written.append(beside.submit(write_redelivered, into, charges))
        problems = checks.find(staged)
        facts = billing_facts(charges) | staged.facts()
        facts |= {"within": within} if (within := summed_within(charges)) else {}
        facts |= {"shortened": shortened} if (shortened := shortened_ids(charges)) else {}
        facts |= {"far": far} if (far := far_from_billing(charges)) else {}
        facts |= {"backwards": found} if (found := ends_before_begin(charges)) else {}
        write_quarantine(staged, Path(scratch), into / "quarantine.parquet")
        write_mendable(staged, into)
        for one in written:
            one.result()
        is_joined = any(problem.code == "header-repeated" for problem in staged.odd)
        repeated = repeated_rows(charges, into, is_joined)
        facts |= {"repeated": repeated} if repeated else {}
    facts |= stored_facts(into)
    facts |= {"set": filled} if filled else {}
    facts |= {"columns": dict(said.columns)} if said.columns else {}
    facts |= {"zone": said.zone} if said.zone else {}
    facts |= {"part_of": dict(said.part)} if said.part else {}
    return _Ready(facts, in_order(problems))


def read_staged(source: Source, content: Content, scratch: Path) -> Staged:
    """Read a file the fast way, or else the one that takes every file. Raises Refused."""
    try:
        staged = read_plain(source, content)
    except NotPlain:
        staged = read_any(source, scratch)
    return without_totals(with_tidy_ids(in_zone(completed(staged))))


def _archive(source: Source, into: Path) -> None:
    """Keep the bytes of a file as they came; text that is not packed is compressed."""
    suffix = ".parquet" if source.format == "parquet" else f".csv{_SUFFIXES[source.packing]}"
    archive = into / f"archive{suffix}"
    if source.format == "parquet" or source.packing != "none":
        shutil.copyfile(source.origin, archive)
        return
    with (
        open_arrow(source.origin, "none") as file,
        pa.CompressedOutputStream(str(archive), "zstd") as out,
    ):
        out.write(file.read_buffer())


def import_named(
    there: Sequence[Import], place: Place, name: str, facts: Mapping[str, Any] | None = None
) -> Import:
    """Return the import of that id, or of that file name: in the months that facts say, if any.

    Raises Refused where there is none, or more than one.
    """
    found = [i for i in there if name in i.names[1:]]
    if found:
        return found[0]
    found = [i for i in there if name == i.source]
    if not found:
        raise refused("replaces-unknown", place, name=name)
    same = [i for i in found if not facts or share_months(i.facts, facts)]
    if not same:
        values = {"theirs": months_of(found[0].facts), "ours": months_of(facts or {})}
        raise refused("delivery-other-month", place, name=name, id=short(found[0].id), **values)
    if len(same) > 1:
        listed = ", ".join(f"{short(i.id)} ({months_of(i.facts)})" for i in same)
        raise refused("delivery-ambiguous", place, name=name, count=len(same), imports=listed)
    return same[0]

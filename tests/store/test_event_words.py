"""Everything that stands in the log can be said."""

from fenrun.base.words import catalogue
from fenrun.settle.passed_over import KIND
from fenrun.store.facts import KINDS


def test_every_kind_of_event_has_words() -> None:
    missing = {f"event-{kind}" for kind in (*KINDS, "key", "portal", KIND)} - catalogue().keys()
    assert not missing

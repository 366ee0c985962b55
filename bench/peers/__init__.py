"""Peers: the common job by hand, as a skilled user of each of the usual tools would do it.

Every peer is a module with `run(folder, out)`: it reads the job's folder and writes earnings.csv,
the same bytes as fenrun does. Money is whole cents.
"""

from __future__ import annotations

from importlib.util import find_spec

PEERS = {
    "duckdb": "duckdb_sql",
    "polars": "polars_script",
    "pandas": "pandas_script",
    "openfisca": "openfisca_script",
}
"""The module of each peer."""
_LIBRARIES = {
    "duckdb": "duckdb",
    "polars": "polars",
    "pandas": "pandas",
    "openfisca": "openfisca_core",
}
INSTALL = "pip install 'fenrun[peers]'"


def installed(name: str) -> bool:
    """Whether the library of the peer is there. It is not loaded."""
    return find_spec(_LIBRARIES[name]) is not None

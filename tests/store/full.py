"""Do commands with no more room than some bytes a file, and look at what is left.

`python -m tests.store.full FOLDER` prints what came of each. What the command line says where the
system's own error comes through is `path-unusable`; the portal says `workspace-unwritable`.
"""

from __future__ import annotations

import errno
import json
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from fenrun.base.problem import Refused
from tests.store import harness
from tests.store.harness import COMMANDS, NIGHTLY, in_child, same_secrets, state, write_files

SIZES = (0, 1, 500, 1000, 2000, 4000, 6000, 8192, 12288, 16384, 20000)
"""Bytes. Each command is done at all of them at night, by day at one, until it has room."""


def _without_room(run: Callable[[], Any], size: int) -> str:
    """Run where no file may be larger; return what became of it."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        run()
    except Refused as refused:
        return ", ".join(problem.code for problem in refused.problems)
    except FileNotFoundError as error:
        return "no scratch" if "temporary directory" in str(error) else str(error)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return "done"


def tried(folder: Path) -> Iterator[dict[str, Any]]:
    """Do each command, where the one before has left off, at its sizes on copies."""
    files, ready = folder / "files", folder / "ready"
    write_files(files)
    ready.mkdir()
    (ready / "signing.yaml").write_text("name: Small\n", "utf-8")
    for number, (name, command) in enumerate(COMMANDS.items()):
        whole, copy = folder / "whole", folder / "copy"
        shutil.copytree(ready, whole)
        before = in_child(partial(state, ready))
        in_child(lambda: [harness._run(command, files, whole)][1:])  # noqa: B023
        after = in_child(partial(state, whole))
        for size in SIZES if NIGHTLY else SIZES[1 + number % 6 :][:1]:
            shutil.copytree(ready, copy)
            run = partial(harness._run, command, files, copy)
            said = in_child(partial(_without_room, run, size))
            found = in_child(partial(harness._left_and_again, run, copy))
            shutil.rmtree(copy)
            if said == "done":
                break
            left, again = (harness._named(found[at], before, after) for at in ("left", "again"))
            yield {"command": name, "size": size, "said": said, "left": left, "again": again}
        shutil.rmtree(ready)
        shutil.move(whole, ready)


if __name__ == "__main__":
    same_secrets()
    pa.array(["reads pandas"])
    for one in tried(Path(sys.argv[1])):
        print(json.dumps(one), flush=True)

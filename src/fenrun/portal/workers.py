"""Workers: processes of their own for slow work, which leave the interpreter to pages.

A thread that settles takes the interpreter from whoever answers a page, some hundred times a page.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from importlib import import_module
from typing import ParamSpec, TypeVar

from fenrun.base.problem import Place, refused
from fenrun.base.words import catalogue

_NICE = 10
"""How far slow work stands behind pages, where both want the processor."""
_workers: list[Worker] = []
Given = ParamSpec("Given")
Result = TypeVar("Result")


class Worker:
    """A process for slow work, started when it is first wanted: one piece of work at a time.

    What it has read and settled stays there for the next piece. It ends with the portal.
    """

    def __init__(self, longest: float | None = None) -> None:
        """Make a worker whose work may take so many seconds, waiting included; None: any."""
        self.longest = longest
        self._pool: ProcessPoolExecutor | None = None
        self._guard = threading.Lock()
        _workers.append(self)

    def do(
        self, work: Callable[Given, Result], *given: Given.args, **named: Given.kwargs
    ) -> Result:
        """Return what some work gives. It and what it is given must be known to both processes.

        Raises what the work raises; Refused where its process ends meanwhile; TimeoutError where
        it takes too long. The next piece has a new process then.
        """
        pool = self._started()
        try:
            return pool.submit(work, *given, **named).result(self.longest)
        except BrokenProcessPool as error:
            self._leave(pool)
            raise refused("work-ended", Place("portal")) from error
        except TimeoutError:
            self._leave(pool)
            _kill(pool)
            raise

    def start(self, module: str) -> None:
        """Start the process before it is wanted, on reading a module; nobody waits for that."""
        self._started().submit(_read_ahead, module)

    def stop(self) -> None:
        """End the process, if it was started: it writes nothing that anybody relies on."""
        with self._guard:
            pool, self._pool = self._pool, None
        if pool:
            _kill(pool)
            pool.shutdown(cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        with self._guard:
            if not self._pool:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(1, context, _begin)
            return self._pool

    def _leave(self, pool: ProcessPoolExecutor) -> None:
        """Let the next piece of work have another process."""
        with self._guard:
            if self._pool is pool:
                self._pool = None


def stop_all() -> None:
    """End the processes of all workers."""
    for worker in _workers:
        worker.stop()


def _kill(pool: ProcessPoolExecutor) -> None:
    for process in list((pool._processes or {}).values()):
        process.kill()


def _read_ahead(module: str) -> None:
    """Import a module, and read the words of all rooms."""
    import_module(module)
    catalogue()


def _begin() -> None:
    """Stand behind pages, and end with the portal, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # which a terminal sends to both
    if hasattr(os, "nice"):
        os.nice(_NICE)
    threading.Thread(target=_end_with_portal, daemon=True).start()


def _end_with_portal() -> None:
    portal = multiprocessing.parent_process()
    if portal:
        portal.join()
    os._exit(1)

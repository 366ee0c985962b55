"""Verifying a bundle in the portal: whoever has one drops it in, and nothing of it is kept."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from fenrun.base.ids import fingerprint
from fenrun.base.money import show_sums
from fenrun.base.problem import Place, Problem, Refused
from fenrun.portal.access.permissions import signed_in, store_of
from fenrun.portal.commands import verifying
from fenrun.portal.language import lang


@signed_in()
def bundle(request: HttpRequest) -> HttpResponse:
    """Show the form; of a bundle, whether all of it follows and this vendor signed it.

    It is answered to whoever has the bundle, whomever it is about: all that is said stands in it.
    """
    if request.method != "POST":
        return render(request, "verify.html", {"done": None, "problems": []})
    given = request.FILES.get("bundle")
    try:
        if not given or given.size is None:
            missing = Problem("bundle-unreadable", Place("bundle.zip"), {"detail": "–"})
            raise Refused([missing])
        done = verifying.verified(store_of(request), given, given.size)
    except Refused as refused:
        problems = [problem.as_json(lang()) for problem in refused.problems]
        return render(request, "verify.html", {"done": None, "problems": problems}, status=409)
    shown = {
        "done": done,
        "problems": [],
        "paid": show_sums(done.payable),
        "fingerprint": fingerprint(done.public_key),
    }
    return render(request, "verify.html", shown)

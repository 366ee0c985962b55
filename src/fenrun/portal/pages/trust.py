"""The page that everybody may ask: whose key signs, and what is closed."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from fenrun.closing.heads import published
from fenrun.portal.events import workspace


@require_safe
def shown(request: HttpRequest) -> JsonResponse:
    """Return what `fenrun key publish` writes: public keys, and the signed head of each close."""
    return JsonResponse(published(workspace("")), json_dumps_params={"indent": 1})

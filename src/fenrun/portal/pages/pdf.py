"""PDF: a page with its style for paper. Nothing but the portal's own styles is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles import finders

from fenrun.base.problem import Place, Problem, Refused

_HOST = "portal.invalid"
_TYPES = {".css": "text/css", ".svg": "image/svg+xml"}


def to_pdf(page: str) -> bytes:
    """Return a page's HTML as PDF (PDF/UA).

    Raises Refused where WeasyPrint, or what it needs of the system, is not installed.
    """
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher, URLFetcherResponse
    except (ImportError, OSError) as error:
        detail = str(error).splitlines()[0][:200]
        raise Refused([Problem("pdf-missing", Place("pdf"), {"detail": detail})]) from error

    class Fetcher(URLFetcher):  # type: ignore[misc]  # WeasyPrint has no types
        """Fetches styles and pictures of the portal; from anywhere else nothing."""

        def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:
            path, kind = _static_file(url)
            return URLFetcherResponse(url, path.read_bytes(), {"Content-Type": kind})

    html = HTML(string=page, base_url=f"http://{_HOST}/", url_fetcher=Fetcher(), media_type="print")
    return bytes(html.write_pdf(pdf_variant="pdf/ua-1"))


def _static_file(url: str) -> tuple[Path, str]:
    """Return a file of the portal's own and its type. Raises ValueError for any other address."""
    where = urlsplit(url)
    kind = _TYPES.get(Path(where.path).suffix)
    found = None
    if where.netloc == _HOST and where.path.startswith(settings.STATIC_URL):
        found = finders.find(where.path.removeprefix(settings.STATIC_URL))
    if not found or not kind:
        raise ValueError(f"{url} is not the portal's")
    return Path(str(found)), kind

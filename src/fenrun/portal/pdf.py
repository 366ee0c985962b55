"""A page as PDF: the same page, with its style for paper. Nothing but the portal's own styles is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.contrib.staticfiles import finders

from fenrun.base.problem import Place, Problem, Refused

_BASE = "http://portal.invalid/"
_KINDS = {".css": "text/css", ".svg": "image/svg+xml"}


def to_pdf(page: str) -> bytes:
    """A page's HTML as PDF. Raises Refused where WeasyPrint, or what it needs of the system, is not installed."""
    try:
        from weasyprint import HTML
        from weasyprint.urls import URLFetcher, URLFetcherResponse
    except (ImportError, OSError) as error:
        raise Refused(
            [Problem("pdf-missing", Place("pdf"), {"detail": str(error).splitlines()[0][:200]})]
        ) from error

    class Fetcher(URLFetcher):
        """Styles and pictures of the portal; from anywhere else nothing."""

        def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:
            where = urlsplit(url)
            found = (
                finders.find(where.path.removeprefix("/static/"))
                if where.netloc == "portal.invalid" and where.path.startswith("/static/")
                else None
            )
            kind = _KINDS.get(Path(where.path).suffix)
            if not found or not kind:
                raise ValueError(f"{url} is not the portal's")
            return URLFetcherResponse(url, Path(str(found)).read_bytes(), {"Content-Type": kind})

    return bytes(
        HTML(string=page, base_url=_BASE, url_fetcher=Fetcher(), media_type="print").write_pdf(
            pdf_variant="pdf/ua-1"
        )
    )

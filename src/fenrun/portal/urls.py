"""The addresses of the pages and the API."""

from __future__ import annotations

import sys
from collections.abc import Callable

from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path, re_path

from fenrun.portal import opaque  # noqa: F401  # the converters of routes
from fenrun.portal.access import sign_in
from fenrun.portal.access.middleware import broken_database, error_response
from fenrun.portal.api.app import api
from fenrun.portal.pages import (
    access,
    agreed,
    api_docs,
    book,
    bulk,
    cases,
    deliveries,
    disputes,
    finding,
    home,
    imports,
    language,
    log,
    notices,
    payments,
    periods,
    plans,
    prices,
    quotes,
    requests,
    scenarios,
    statements,
    tables,
    targets,
    trust,
    verify,
    webhooks,
    work,
)

_NOT_OFFERED = (
    r"^account/(?:"
    r"signup|email|confirm-email|phone"
    r"|password/(?:set|reset/(?:$|done))"
    r"|login/code|social|3rdparty/(?:$|signup)|2fa/trust"
    r")"
)
"""Pages of the sign-in library: accounts are made by operations, and have no address for mail."""


def _missing(request: HttpRequest) -> HttpResponse:
    raise Http404


urlpatterns = [
    path("", home.home, name="home"),
    re_path(_NOT_OFFERED, _missing),
    path("account/oidc/<str:provider_id>/login/", sign_in.by_provider),
    path("account/", include("allauth.urls")),
    path("access/connect/", access.connect, name="connect"),
    path("language/", language.choose, name="language"),
    path("statements/", tables.statements, name="statements"),
    path("views/", tables.save, name="save-view"),
    path("views/<int:number>/drop/", tables.drop, name="drop-view"),
    path("statements/<str:period>/<id:payee>/", statements.one, name="statement"),
    path("statements/<str:period>/<id:payee>/estimate/", statements.estimate, name="estimate"),
    path("statements/<str:period>/<id:payee>/document/", statements.document, name="document"),
    path("lines/<str:period>/<line:line>/", statements.line, name="line"),
    path("guides/<str:period>/<id:plan>/", statements.guide, name="guide"),
    path("charges/<str:period>/<line:line>/", statements.charges, name="charges"),
    path("find/", finding.found, name="find"),
    path("find/<str:kind>/", finding.offered, name="offered"),
    path("parties/<id:payee>/", finding.party, name="party"),
    path("customers/<id:customer>/", finding.customer, name="customer"),
    path("orders/<id:order>/", finding.order, name="order"),
    path("crediting/", statements.crediting, name="crediting"),
    path("periods/", periods.listed, name="periods"),
    path("periods/<str:period>/", periods.one, name="period"),
    path("periods/<str:period>/review/", periods.review, name="review"),
    path("periods/<str:period>/settle/", periods.settle, name="settle"),
    path("periods/<str:period>/close/", periods.ask, name="ask-close"),
    path("periods/<str:period>/close/<int:number>/", periods.approve, name="approve-close"),
    path("periods/<str:period>/close/<int:number>/end/", periods.end, name="end-close"),
    path("payments/", payments.listed, name="payments"),
    path("payments/change/", payments.change, name="change-payments"),
    path("payments/file/", payments.file, name="payments-file"),
    path("work/<int:number>/", work.one, name="work"),
    path("import/", imports.listed, name="imports"),
    path("import/start/", imports.start, name="start-import"),
    path("import/<int:number>/", imports.one, name="import-job"),
    path("deliveries/", deliveries.listed, name="deliveries"),
    path("deliveries/<id:delivery>/", deliveries.one, name="delivery"),
    path("deliveries/<id:delivery>/rows/", deliveries.mend_row, name="mend-row"),
    path("deliveries/<id:delivery>/rows.xlsx", deliveries.rows_file, name="rows-file"),
    path("deliveries/<id:delivery>/decisions/", deliveries.ask, name="ask-decision"),
    path("decisions/<int:number>/", deliveries.decide, name="decide-delivery"),
    path("book/", book.customer, name="book"),
    path("targets/", targets.listed, name="targets"),
    path("targets/give/", targets.give, name="set-target"),
    path("targets/undo/", targets.undo, name="undo-target"),
    path("bulk/", bulk.form, name="bulk"),
    path("bulk/enter/", bulk.enter, name="enter-bulk"),
    path("bulk/undo/", bulk.undo, name="undo-bulk"),
    path("plans/", plans.listed, name="plans"),
    path("plans/check/", plans.check, name="check-plan"),
    path("plans/save/", plans.save, name="save-plan"),
    path("plans/<id:plan>/", plans.listed, name="plan"),
    path("scenarios/", scenarios.listed, name="scenarios"),
    path("scenarios/check/", scenarios.check, name="check-scenario"),
    path("scenarios/save/", scenarios.save, name="save-scenario"),
    path("scenarios/<int:number>/", scenarios.one, name="scenario"),
    path("scenarios/<int:number>/run/", scenarios.run, name="run-scenario"),
    path("scenarios/<int:number>/ask/", scenarios.ask, name="ask-scenario"),
    path("scenarios/<int:number>/publish/", scenarios.publish, name="publish-scenario"),
    path("requests/", requests.listed, name="requests"),
    path("requests/ask/", requests.ask, name="ask"),
    path("requests/<int:number>/", requests.decide, name="decide"),
    path("prices/", prices.listed, name="prices"),
    path("breaches/", agreed.breaches, name="breaches"),
    path("coupons/", agreed.coupons, name="coupons"),
    path("agreements/", agreed.agreements, name="agreements"),
    path("notices/", notices.listed, name="notices"),
    path("notices/choose/", notices.choose, name="choose-notices"),
    path("notices/address/", notices.address, name="set-address"),
    path("sign-up/", notices.make_link, name="make-sign-up-link"),
    path("join/<str:code>/", notices.join, name="join"),
    path("quotes/", quotes.listed, name="quotes"),
    path("quotes/ask/", quotes.ask, name="ask-quote"),
    path("quotes/<int:number>/", quotes.decide, name="decide-quote"),
    path("cases/", cases.listed, name="cases"),
    path("cases/examine/", cases.examine, name="examine"),
    path("cases/<id:case>/", cases.one, name="case"),
    path("cases/<id:case>/decide/", cases.decide, name="decide-case"),
    path("cases/<id:case>/ask/", cases.ask, name="ask-case"),
    path("questions/", cases.questions, name="case-questions"),
    path("questions/<int:number>/answer/", cases.answer, name="answer-case"),
    path("disputes/", disputes.listed, name="disputes"),
    path("disputes/open/", disputes.open_, name="open-dispute"),
    path("disputes/<int:number>/", disputes.one, name="dispute"),
    path("disputes/<int:number>/assign/", disputes.assign, name="assign-dispute"),
    path("disputes/<int:number>/files/", disputes.add_file, name="add-dispute-file"),
    path("disputes/<int:number>/files/<int:file>/", disputes.file, name="dispute-file"),
    path("disputes/<int:number>/answer/", disputes.answer, name="answer-dispute"),
    path("access/", access.mine, name="access"),
    path("access/give/", access.give, name="give"),
    path("access/<int:number>/approve/", access.approve, name="approve-grant"),
    path("access/<int:number>/link/", access.first_link, name="first-link"),
    path("access/<int:number>/end/", access.end, name="end-grant"),
    path("access/token/", access.token, name="make-token"),
    path("access/ways/", access.everybody, name="ways"),
    path("access/<str:kind>/<int:number>/end/", access.end_way, name="end-way"),
    path("access/hook/", access.hook, name="make-hook"),
    path("access/hook/<int:number>/", webhooks.log, name="webhook"),
    path("access/hook/<int:number>/test/", webhooks.test, name="test-webhook"),
    path("access/hook/sent/<int:number>/", webhooks.resend, name="resend-webhook"),
    path("log/", log.listed, name="log"),
    path("verify/", verify.bundle, name="verify"),
    path("trust/", trust.shown, name="trust"),
    path("api/", api_docs.shown, name="api-docs"),
    path("api/", api.urls),
]


def _error(code: int, kind: str) -> Callable[..., HttpResponse]:
    """Return the page of an error."""

    def page(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
        if isinstance(sys.exc_info()[1], OperationalError):  # in a middleware, beyond any view
            return broken_database(request)
        return error_response(request, code, kind)

    return page


handler400 = _error(400, "request")
handler403 = _error(403, "forbidden")
handler404 = _error(404, "missing")
handler500 = _error(500, "broken")

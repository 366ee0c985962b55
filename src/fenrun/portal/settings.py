"""Django's settings, from the environment.

FENRUN_WORKSPACE says what is shown; DATABASE_URL where the portal keeps its own rows, else SQLite
in the workspace.
"""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import dj_database_url

from fenrun.portal.access.reader import address_of

WORKSPACE = Path(os.environ.get("FENRUN_WORKSPACE", "demo-workspace")).resolve()
HOME = WORKSPACE / "portal"
HERE = Path(__file__).parent


def _secret() -> str:
    """Return FENRUN_SECRET, else one that is made once.

    It is kept beside the portal's database, readable by its owner alone.
    """
    if given := os.environ.get("FENRUN_SECRET"):
        return given
    HOME.mkdir(parents=True, exist_ok=True)
    path = HOME / "secret"
    if not path.exists():
        made, draft = tempfile.mkstemp(prefix="secret-", dir=HOME)  # its owner's alone
        with open(made, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(50))
        with suppress(FileExistsError):  # of two processes at once the first one's is kept
            os.link(draft, path)
        os.unlink(draft)
    return path.read_text("ascii")


SECRET_KEY = _secret()
DEBUG = False
HOSTS = [host for host in os.environ.get("FENRUN_HOSTS", "").split(",") if host]
ALLOWED_HOSTS = [*HOSTS, "localhost", "127.0.0.1", "[::1]"]
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in HOSTS]
BEHIND_TLS = bool(HOSTS)
"""A portal that is reached by a name is reached through TLS."""
SMTP_URL = os.environ.get("FENRUN_SMTP_URL", "")
"""The server that mails notices: `smtp://`, `smtp+starttls://` or `smtps://`, with user and
password where it asks for them; nothing: notices are in the portal alone."""
MAIL_FROM = os.environ.get("FENRUN_MAIL_FROM", "fenrun@localhost")
ROOT_URLCONF = "fenrun.portal.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "中文")]
LANGUAGE_COOKIE_HTTPONLY = True

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django.contrib.messages",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "django_htmx",
    "ninja",
    "fenrun.portal",
]
MIDDLEWARE = [
    "fenrun.portal.health.middleware",
    "fenrun.portal.access.middleware.headers",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "fenrun.portal.access.middleware.asker",
    "fenrun.portal.access.journal.middleware",
    "fenrun.portal.access.middleware.budget",
    "fenrun.portal.access.middleware.idempotent",
    "fenrun.portal.access.middleware.refusals",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [HERE / "jinja2"],
        "APP_DIRS": False,
        "OPTIONS": {
            "environment": "fenrun.portal.pages.words.environment",
            "context_processors": ["fenrun.portal.pages.words.context"],
        },
    },
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    },
]


def _databases() -> dict[str, Any]:
    """Return two connections to one database.

    `default` is for sign-in and commands, `asker` for everything that is shown: it sees what the
    one who asks may see (access/isolation.py).
    """
    url = os.environ.get("DATABASE_URL")
    return _postgresql(url) if url else _sqlite()


def _sqlite() -> dict[str, Any]:
    file = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": HOME / "portal.sqlite3",
        "CONN_MAX_AGE": None,
    }
    writing = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
    }
    return {
        "default": {**file, "OPTIONS": writing},
        "asker": {**file, "OPTIONS": {"timeout": 20}},
    }


def _postgresql(url: str) -> dict[str, Any]:
    reader = address_of(url, os.environ.get("FENRUN_READER_URL", ""))
    parse = partial(dj_database_url.parse, conn_max_age=600, conn_health_checks=True)
    asker: dict[str, Any] = {**parse(reader)}
    reads_only = {"options": "-c default_transaction_read_only=on"}
    asker["OPTIONS"] = {**asker.get("OPTIONS", {}), **reads_only}
    return {"default": {**parse(url)}, "asker": asker}


DATABASES = _databases()
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "portal_cache",
        "OPTIONS": {"MAX_ENTRIES": 20_000},
    }
}
"""Counts of sign-in's limits, which all processes share. It holds nothing else."""
DATABASE_ROUTERS = ["fenrun.portal.access.isolation.Router"]

ROOT_PATH = "/".join(("", *filter(None, os.environ.get("FENRUN_ROOT_PATH", "").split("/"))))
"""The path under which the portal is reached, such as `/fenrun`; nothing: it has its host alone."""
FORCE_SCRIPT_NAME = ROOT_PATH or None
PORTAL_URL = f"https://{HOSTS[0]}{ROOT_PATH}" if HOSTS else ROOT_PATH
"""Where mails say that the portal is."""
STATIC_URL = f"{ROOT_PATH}/static/"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = LANGUAGE_COOKIE_PATH = f"{ROOT_PATH}/"
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

AUTHENTICATION_BACKENDS = ["fenrun.portal.access.accounts.Backend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
ACCOUNT_ADAPTER = "fenrun.portal.access.sign_in.Accounts"
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "fenrun.portal.access.authority.LinkTokens"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_RATE_LIMITS = {
    "login": "60/m/ip",
    "login_failed": "20/m/ip",  # by account: access/sign_in.py
    "change_password": "5/m/user",
    "reauthenticate": "10/m/user",
}
REQUESTS_A_MINUTE = int(os.environ.get("FENRUN_REQUESTS", "600"))
"""Requests that a user, a token, or an address without either may make in a minute; 0: any."""
MFA_ADAPTER = "fenrun.portal.access.sign_in.SecondFactors"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "fenrun"
USERSESSIONS_TRACK_ACTIVITY = False
OIDC_URL = os.environ.get("FENRUN_OIDC_URL", "")
OIDC_CLIENT = os.environ.get("FENRUN_OIDC_CLIENT", "")
OIDC_NAME = os.environ.get("FENRUN_OIDC_NAME", "")
OIDC_CLAIM = os.environ.get("FENRUN_OIDC_CLAIM", "preferred_username")
"""A provider of OpenID Connect, and what of it is the account's name (access/sign_in.py)."""
_PROVIDER = {
    "provider_id": "provider",
    "name": OIDC_NAME or OIDC_URL,
    "client_id": OIDC_CLIENT,
    "secret": os.environ.get("FENRUN_OIDC_SECRET", ""),
    "settings": {"server_url": OIDC_URL},
}
SOCIALACCOUNT_ADAPTER = "fenrun.portal.access.sign_in.Provided"
# A form that leads to the provider would need its address in the policy of every page.
SOCIALACCOUNT_LOGIN_ON_GET = True
SOCIALACCOUNT_REQUESTS_TIMEOUT = 10
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [_PROVIDER] if OIDC_URL else []}
}
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "home"

SESSION_ENGINE = "fenrun.portal.access.sessions"
"""Not kept in memory: what one process ends, another must not go on with."""
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "fenrun.portal.access.middleware.csrf_refused"


def _in_a_line(record: logging.LogRecord) -> bool:
    """Take the traceback off what is refused as unsafe: the line says all of it."""
    if record.name.startswith("django.security"):
        record.exc_info = None
    return True


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"line": {"()": "django.utils.log.CallbackFilter", "callback": _in_a_line}},
    "handlers": {
        "err": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["line"]}
    },
    "root": {"handlers": ["err"], "level": "WARNING"},
    # That requests wait is no fault, nor what paper cannot show; refusals are told once, by
    # fenrun.access.
    "loggers": {
        "fenrun.access": {"level": "INFO"},
        "django.request": {"level": "ERROR"},
        "django.security": {"level": "ERROR"},
        "waitress.queue": {"level": "ERROR"},
        "weasyprint": {"level": "ERROR"},
        "fontTools": {"level": "ERROR"},
    },
}

import os
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

BASE_DIR = Path(__file__).resolve().parents[2]
PUBLIC_ROOT = Path(os.environ.get("PUBLIC_ROOT", BASE_DIR / "public"))

SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
INSTALLED_APPS = ["core.apps.CoreConfig"]
TIME_ZONE = "Europe/Paris"

REDIS_URL = os.environ.get("REDIS_URL") or "redis://localhost:6379"
REDIS_PASSWORD = os.environ.get("REDIS_PASSWORD", "")


def redis_url(database: int) -> str:
    """The address of one database of Redis, whatever REDIS_URL says of a database, a user or TLS."""
    url = urlsplit(REDIS_URL)
    netloc, query = url.netloc, url.query
    if REDIS_PASSWORD:
        netloc = f"{url.username or ''}:{quote(REDIS_PASSWORD, safe='')}@{netloc.rpartition('@')[2]}"
    if url.scheme == "rediss" and "ssl_cert_reqs" not in query:
        query = f"ssl_cert_reqs=required&{query}".removesuffix("&")
    return urlunsplit((url.scheme, netloc, f"/{database}", query, ""))


CELERY_BROKER_URL = redis_url(0)
CELERY_RESULT_BACKEND = redis_url(1)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

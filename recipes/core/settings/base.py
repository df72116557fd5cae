import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parents[2]
PUBLIC_ROOT = Path(os.environ.get("PUBLIC_ROOT", BASE_DIR / "public"))

SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
INSTALLED_APPS = ["core.apps.CoreConfig"]
TIME_ZONE = "Europe/Paris"

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379")
CELERY_BROKER_URL = f"{REDIS_URL}/0"
CELERY_RESULT_BACKEND = f"{REDIS_URL}/1"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True

from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "testing.apps.TestingConfig"]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "db.sqlite3",
    }
}

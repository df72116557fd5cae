from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "backend_cleanup.apps.BackendCleanupConfig"]

CELERY_RESULT_EXPIRES = 12 * 60 * 60

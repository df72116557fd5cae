from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "prefetch.apps.PrefetchConfig"]

CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_TASK_ROUTES = {"prefetch.tasks.delete_export": {"queue": "later"}}

from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "worker_options.apps.WorkerOptionsConfig"]

CELERY_TASK_ROUTES = {"worker_options.tasks.archive": {"queue": "archives"}}

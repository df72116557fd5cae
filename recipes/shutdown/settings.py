from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "shutdown.apps.ShutdownConfig"]

CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 20

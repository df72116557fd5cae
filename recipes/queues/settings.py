from kombu import Queue

from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "queues.apps.QueuesConfig"]

CELERY_TASK_QUEUES = [Queue("celery"), Queue("lowprio")]
CELERY_TASK_ROUTES = {"queues.tasks.import_*": {"queue": "lowprio"}}
CELERY_TASK_CREATE_MISSING_QUEUES = False

import os

from core.settings.base import *

INSTALLED_APPS = [
    *INSTALLED_APPS,
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "compose.apps.ComposeConfig",
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["POSTGRES_HOST"],
        "NAME": os.environ["POSTGRES_DB"],
        "USER": os.environ["POSTGRES_USER"],
        "PASSWORD": os.environ["POSTGRES_PASSWORD"],
    }
}

CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 20
CELERY_BEAT_SCHEDULE = {
    "count users": {"task": "compose.tasks.count_users", "schedule": 60},
}

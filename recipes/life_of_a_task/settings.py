import os

from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "life_of_a_task.apps.LifeOfATaskConfig"]

SERVICE = os.environ.get("SERVICE", "django")
CELERY_BROKER_TRANSPORT_OPTIONS = {"client_name": f"{SERVICE}-queue"}
CELERY_REDIS_CLIENT_NAME = f"{SERVICE}-results"

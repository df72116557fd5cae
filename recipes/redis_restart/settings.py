from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "redis_restart.apps.RedisRestartConfig"]

CELERY_TASK_TIME_LIMIT = 5 * 60
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 30 * 60}

RETRY_POLICY = {
    "max_retries": 10,
    "interval_start": 0.1,
    "interval_step": 0.2,
    "interval_max": 1,
}
CELERY_TASK_PUBLISH_RETRY_POLICY = RETRY_POLICY
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {"retry_policy": RETRY_POLICY}

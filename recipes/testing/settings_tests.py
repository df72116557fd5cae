import os
from pathlib import Path
from tempfile import gettempdir

from testing.settings import *

CELERY_BROKER_URL = redis_url(2)
CELERY_RESULT_BACKEND = redis_url(3)
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True

DATABASES["default"]["TEST"] = {
    "NAME": Path(gettempdir(), f"tests-{os.getpid()}.sqlite3"),
}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

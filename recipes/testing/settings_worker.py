import os

from testing.settings_tests import *

CELERY_TASK_ALWAYS_EAGER = False

DATABASES["default"]["NAME"] = os.environ["TEST_DATABASE"]

from core.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.sessions", "redis_commands.apps.RedisCommandsConfig"]

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": redis_url(2),
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"

from django.apps import AppConfig


class RedisRestartConfig(AppConfig):
    name = "redis_restart"

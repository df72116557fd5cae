from django.apps import AppConfig


class RedisCommandsConfig(AppConfig):
    name = "redis_commands"

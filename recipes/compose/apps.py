from celery.signals import heartbeat_sent
from django.apps import AppConfig

from compose.heartbeat import touch_heartbeat


class ComposeConfig(AppConfig):
    name = "compose"

    def ready(self) -> None:
        heartbeat_sent.connect(touch_heartbeat)

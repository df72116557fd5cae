from django.apps import AppConfig


class EmptyTheQueueConfig(AppConfig):
    name = "empty_the_queue"

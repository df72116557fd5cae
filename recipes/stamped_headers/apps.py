from django.apps import AppConfig


class StampedHeadersConfig(AppConfig):
    name = "stamped_headers"

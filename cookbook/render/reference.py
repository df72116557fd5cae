"""The settings of the installed Celery and kombu: their defaults and types, read from these packages."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from celery.app.defaults import NAMESPACES, flatten
from kombu.transport.redis import Channel

from cookbook.project import CookbookError
from cookbook.suggest import did_you_mean

MANUAL = "https://docs.celeryq.dev/en/stable/userguide/configuration.html#std-setting-"
TRANSPORT = "broker_transport_options."
OPTIONS = dict(flatten(NAMESPACES))


@dataclass(frozen=True)
class Setting:
    """A setting as a Django project writes it, with its default, its type and the address of its manual entry."""

    name: str
    default: object
    type: str
    url: str


def setting(name: str) -> Setting:
    """The setting *name*: ``task_acks_late``, or of the transport, ``broker_transport_options.visibility_timeout``.

    CookbookError, with a suggestion, for an unknown name.
    """
    if name.startswith(TRANSPORT):
        key = name.removeprefix(TRANSPORT)
        if not hasattr(Channel, key):
            raise CookbookError(
                f"kombu's Redis transport has no option {key!r}{did_you_mean(key, dir(Channel))}: correct it"
            )
        default = getattr(Channel, key)
        return Setting(key, default, type(default).__name__, MANUAL + TRANSPORT.rstrip("."))
    if name not in OPTIONS:
        raise CookbookError(f"Celery has no setting {name!r}{did_you_mean(name, OPTIONS)}: correct it")
    option = OPTIONS[name]
    return Setting(f"CELERY_{name.upper()}", option.default, option.type, MANUAL + name)


def written(value: object) -> str:
    """A default as a settings file has it; a timedelta in seconds."""
    if isinstance(value, datetime.timedelta):
        return f"{value.total_seconds():g}"
    return repr(value)

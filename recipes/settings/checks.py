import difflib

from celery.app.defaults import NAMESPACES, SETTING_KEYS, Option, flatten
from django.conf import settings
from django.core import checks


def old_names(namespace: str, key: str, option: Option) -> list[tuple[str, str]]:
    today = f"CELERY_{namespace}{key}".upper()
    patterns = option.old or {namespace + key}
    return [(old.format(key).upper(), today) for old in patterns]


PREFIXES = ("BROKER_", "CELERY")
KNOWN = {f"CELERY_{key}".upper() for key in SETTING_KEYS}
RENAMED = dict(flatten(NAMESPACES, keyfilter=old_names))


def unknown_celery_settings(**kwargs: object) -> list[checks.Warning]:
    names = {name for name in dir(settings) if name.startswith(PREFIXES)}
    return [
        checks.Warning(
            f"{name} is not a setting of Celery.",
            hint=suggestion(name),
            id="celery.W001",
        )
        for name in sorted(names - KNOWN)
    ]


def suggestion(name: str) -> str | None:
    if name in RENAMED:
        return f"Its name today is {RENAMED[name]}."
    closest = difflib.get_close_matches(name, KNOWN, cutoff=0.8)
    return f"Did you mean {closest[0]}?" if closest else None

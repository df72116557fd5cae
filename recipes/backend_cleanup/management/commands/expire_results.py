from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.celery import app


class Command(BaseCommand):
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true")

    def handle(self, *args: Any, dry_run: bool, **options: Any) -> None:
        seconds = app.backend.expires
        if not seconds:
            raise CommandError("Set CELERY_RESULT_EXPIRES first.")
        keys = set(without_end())
        if dry_run:
            self.stdout.write(f"{len(keys)} keys never expire.")
            return
        for key in keys:
            app.backend.client.expire(key, seconds)
        self.stdout.write(f"{len(keys)} keys now expire in {seconds} s.")


def without_end() -> Iterator[bytes]:
    redis = app.backend.client
    for prefix in (app.backend.task_keyprefix, app.backend.group_keyprefix):
        for key in redis.scan_iter(prefix + b"*", count=1000):
            if redis.ttl(key) == -1:
                yield key

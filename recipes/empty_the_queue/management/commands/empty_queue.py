from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from empty_the_queue.places import empty, places


class Command(BaseCommand):
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("queue")
        parser.add_argument("--force", action="store_true")

    def handle(self, queue: str, *, force: bool, **options: Any) -> None:
        before = places(queue)
        self.stdout.write(str(before))
        if not force:
            return
        if before.workers:
            raise CommandError(f"stop first: {', '.join(sorted(before.workers))}")
        empty(queue)
        self.stdout.write(str(places(queue)))

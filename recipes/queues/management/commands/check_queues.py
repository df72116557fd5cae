from django.core.management.base import BaseCommand, CommandError

from queues.served import sent_to, served_by, waiting


class Command(BaseCommand):
    def handle(self, **options: object) -> None:
        queues = sent_to()
        workers = served_by()
        for queue in sorted(queues):
            self.stdout.write(f"{queue}: workers {workers[queue]}, waiting {waiting(queue)}")
        if unserved := sorted(queues - workers.keys()):
            raise CommandError(f"no worker serves {', '.join(unserved)}")

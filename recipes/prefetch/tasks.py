import csv
from decimal import Decimal

from celery import shared_task

from core.storages import public_storage


@shared_task
def total(path: str) -> str:
    with public_storage.open(path, "r") as file:
        return str(sum(Decimal(row["amount"]) for row in csv.DictReader(file)))


@shared_task
def delete_export(path: str) -> None:
    public_storage.delete(path)

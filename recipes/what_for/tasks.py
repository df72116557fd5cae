import csv
from statistics import fmean

from celery import shared_task

from core.storages import public_storage


@shared_task
def summarize(year: int) -> dict[str, float]:
    with public_storage.open(f"weather/{year}.csv", "r") as file:
        degrees = [float(row["celsius"]) for row in csv.DictReader(file)]
    return {"lowest": min(degrees), "mean": round(fmean(degrees), 1), "highest": max(degrees)}

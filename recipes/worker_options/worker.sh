#!/bin/sh
exec celery -A core worker \
  --queues celery,archives \
  --concurrency 3 \
  --max-tasks-per-child 100 \
  --max-memory-per-child 200000 \
  --soft-time-limit 1740 \
  --time-limit 1800 \
  --loglevel INFO \
  "$@"

#!/usr/bin/env bash
# mkpostgres.sh TAG ROOT: stand-in for the public postgres image, from the packages that mkroot.sh unpacked into ROOT.
set -euo pipefail
tag=$1 src=$2
r=$(mktemp -d); trap 'rm -rf "$r"' EXIT
pg=$(cd "$src" && ls -d usr/lib/postgresql/*); version=${pg##*/}

mkdir -p "$r"/{bin,usr/bin,usr/lib/postgresql,usr/local/bin,usr/share/postgresql,run/postgresql,etc,tmp,proc,sys,dev,var/lib/postgresql}
ln -s ../run "$r/var/run"; chmod 1777 "$r/tmp"
cp -a "$src/$pg" "$r/usr/lib/postgresql/"
cp -a "$src/usr/share/postgresql/$version" "$r/usr/share/postgresql/"
cp -a "$src/usr/share/zoneinfo" "$r/usr/share/"; cp -a "$src/usr/lib/locale" "$r/usr/lib/"
rm -rf "$r/$pg/lib/bitcode" "$r/usr/share/postgresql/$version/man"
for name in bash cat chmod grep id ls mkdir rm sleep; do cp -L "$src/usr/bin/$name" "$r/usr/bin/"; done
ln -s ../usr/bin/bash "$r/bin/sh"; ln -s ../usr/bin/bash "$r/bin/bash"
for program in initdb pg_ctl pg_dump pg_isready postgres psql; do ln -s "../lib/postgresql/$version/bin/$program" "$r/usr/bin/"; done
find "$r/usr" -type f \( -perm -100 -o -name '*.so' \) -printf '/%P\n' | sed 's,^/,/usr/,' | sort -u |
  while read -r file; do  # what the loader of ROOT says that each one needs
    [ -e "$src$file" ] && chroot "$src" /lib64/ld-linux-x86-64.so.2 --list "$file" 2>/dev/null || true
  done | grep -oE '/[^ ]+' | sort -u | while read -r library; do
    mkdir -p "$r${library%/*}"; cp -nL "$src$(chroot "$src" readlink -f "$library")" "$r$library"
  done
printf 'root:x:0:0:root:/root:/bin/sh\npostgres:x:999:999::/var/lib/postgresql:/bin/sh\n' > "$r/etc/passwd"
printf 'root:x:0:\npostgres:x:999:\n' > "$r/etc/group"
chown 999:999 "$r/run/postgresql" "$r/var/lib/postgresql"; chmod 1777 "$r/var/lib/postgresql"; chmod 3777 "$r/run/postgresql"

cat > "$r/usr/local/bin/docker-entrypoint.sh" <<'SH'
#!/bin/bash
# As the public image does on an empty volume: a user, its password, a database, made by a server that no network reaches.
set -euo pipefail
if [ "${1#-}" != "$1" ]; then set -- postgres "$@"; fi
if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  user=${POSTGRES_USER:-postgres} database=${POSTGRES_DB:-${POSTGRES_USER:-postgres}}
  if [ -z "${POSTGRES_PASSWORD:-}" ]; then
    echo 'Error: Database is uninitialized and superuser password is not specified.' >&2; exit 1
  fi
  mkdir -p "$PGDATA"; chmod 700 "$PGDATA"
  initdb --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD")
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
  pg_ctl -o "-c listen_addresses=''" -w start
  if [ "$database" != postgres ]; then
    psql -v ON_ERROR_STOP=1 -U "$user" -d postgres -v "name=$database" <<< 'CREATE DATABASE :"name"'
  fi
  pg_ctl -m fast -w stop
fi
exec "$@"
SH
chmod 755 "$r/usr/local/bin/docker-entrypoint.sh"
mkdir "$r.build"; trap 'rm -rf "$r" "$r.build"' EXIT
tar -C "$r" -c -f "$r.build/root.tar" .
cat > "$r.build/Dockerfile" <<DOCKER
FROM scratch
ADD root.tar /
ENV PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 PGDATA=/var/lib/postgresql/$version/docker
USER 999:999
VOLUME /var/lib/postgresql
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
DOCKER
docker build --quiet --tag "$tag" "$r.build"

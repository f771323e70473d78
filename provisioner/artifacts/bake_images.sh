#!/bin/bash
# Loads image archives into the docker of a root folder:  bake_images.sh ROOT ARCHIVE...
# To be run in mount and process namespaces of its own: what it starts and mounts ends with them.
set -euo pipefail
root=$1
shift
# docker unpacks in a root of its own, which has to be a mount point.
mount --rbind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount -t tmpfs tmpfs "$root/run"
# No bridge, no rules: this daemon only unpacks.
chroot "$root" dockerd --bridge=none --iptables=false --ip-forward=false --storage-driver=overlay2 \
  --pidfile=/run/dockerd.pid >"$root/run/dockerd.log" 2>&1 &
for _ in $(seq 100); do
  chroot "$root" docker version >/dev/null 2>&1 && break
  sleep 0.2
done
for archive in "$@"; do
  chroot "$root" docker load --quiet --input "$archive" || { tail -20 "$root/run/dockerd.log" >&2; exit 1; }
done
kill "$(cat "$root/run/dockerd.pid")"
for _ in $(seq 150); do
  [ -e "$root/run/dockerd.pid" ] || exit 0
  sleep 0.2
done
echo 'dockerd does not end' >&2
exit 1

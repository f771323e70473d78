#!/bin/bash
# Loads image archives into a store of docker's, by the docker of a machine root, which stays as it is:
#   bake_store.sh ROOT SCRATCH STORE SET ARCHIVE...
# ARCHIVE is a path in SET. To be run in mount and process namespaces of its own: what it starts and mounts
# ends with them.
set -euo pipefail
root=$1 scratch=$2 store=$3 set=$4
shift 4
mkdir -p "$scratch"/{upper,work,root}
mount -t overlay -o "lowerdir=$root,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$scratch/root"
mkdir -p "$scratch/root"/{var/lib/docker,mnt/set}
# On the real disk: docker's overlay2 cannot stand on another overlay.
mount --bind "$store" "$scratch/root/var/lib/docker"
mount --bind "$set" "$scratch/root/mnt/set"
exec bash "$(dirname "$0")/bake_images.sh" "$scratch/root" "${@/#//mnt/set/}"

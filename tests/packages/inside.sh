#!/bin/sh
# Runs a command on this host, under another host name and with folders of its own for all that the command
# writes: what it installs is in SCRATCH and nowhere else. Usage: inside.sh SCRATCH NAME COMMAND...
set -e
if [ "$1" != --unshared ]; then
  exec unshare --mount --uts --propagation private "$0" --unshared "$@"
fi
scratch=$2
hostname "$3"
shift 3
for folder in etc home root usr var; do
  mkdir -p "$scratch/$folder/upper" "$scratch/$folder/work"
  mount -t overlay -o "lowerdir=/$folder,upperdir=$scratch/$folder/upper,workdir=$scratch/$folder/work" \
    overlay "/$folder"
done
mkdir -p /etc/yum.repos.d
# Without it services of this host would be started.
export SYSTEMD_OFFLINE=1
exec "$@"

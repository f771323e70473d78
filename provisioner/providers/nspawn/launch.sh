# Starts a machine in a mount namespace of its own, and starts it again when it asks for a reboot.
# $1 is the overlay's options, $2 its mount point, $3 the machine's link on this host. The words
# before -- are the machine's cgroups, the words after it are for systemd-nspawn.
set -e
options=$1 place=$2 link=$3; shift 3
groups=
while [ "$1" != -- ]; do groups="$groups $1"; shift; done
shift

# Version 2 gives controllers to the groups below a group only if that group has no process.
is_v2() { grep -q . "$1/cgroup.controllers" 2>/dev/null; }

for group in $groups; do
  own=$group
  if is_v2 "$group"; then own=$group/launcher; mkdir -p "$own"; fi
  echo $$ > "$own/cgroup.procs"
done
mkdir -p /run/systemd/nspawn
mount -t tmpfs -o mode=755 nspawn /run/systemd/nspawn
mount -t overlay -o "$options" overlay "$place"

# The process joins the groups itself: it becomes systemd-nspawn, which makes its groups there.
boot() (
  for group in $groups; do echo 0 > "$group/cgroup.procs" || exit 1; done
  exec systemd-nspawn "$@"
)

# What the last boot left: its groups, and its link, which the kernel removes some time later.
clean() {
  ip link delete "$link" 2>/dev/null || true
  for group in $groups; do
    find "$group" -mindepth 1 -depth -type d -exec rmdir {} \; 2>/dev/null || true
    is_v2 "$group" || continue
    for controller in $(cat "$group/cgroup.subtree_control"); do
      echo "-$controller" > "$group/cgroup.subtree_control"
    done
  done
}

# By this code systemd-nspawn asks for a new start.
REBOOT=133
while boot "$@" && code=0 || code=$?; [ "$code" = $REBOOT ]; do clean; done
exit "$code"

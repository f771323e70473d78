#!/bin/sh
# Prints what keeps a pod network from running on this node: modules that the kernel lacks, and ports that
# another program holds. Usage: check_node.sh MODULE... -- PORT... -- PROGRAM...
builtin="/lib/modules/$(uname -r)/modules.builtin"
while [ "$1" != -- ]; do
  # Without the list nobody can tell a module that is missing from one that is built in.
  if [ -e "$builtin" ] && [ ! -d "/sys/module/$1" ] && ! modprobe --dry-run --quiet "$1" && ! grep -q "/$1.ko" "$builtin"; then
    echo "the kernel has no module $1"
  fi
  shift
done
shift
ports=""
while [ "$1" != -- ]; do
  ports="$ports $1"
  shift
done
shift
# The network's own programs may hold its ports.
own="$(printf '%s|' "$@")none"
for port in $ports; do
  ss -lntup "sport = :$port" | sed -n "s/.*users:((\"\([^\"]*\)\".*/port $port is held by \1/p" \
    | grep -E -v " ($own)$" | sort -u
done
exit 0

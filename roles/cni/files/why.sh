#!/bin/sh
# Prints what keeps a pod network from running on this node: modules that the kernel lacks, and ports that
# another program has. Usage: why.sh MODULE... -- PORT...
builtin="/lib/modules/$(uname -r)/modules.builtin"
while [ "$1" != -- ]; do
  # Without the list nobody can tell a module that is missing from one that is built in.
  if [ -e "$builtin" ] && [ ! -d "/sys/module/$1" ] && ! modprobe --dry-run --quiet "$1" && ! grep -q "/$1.ko" "$builtin"; then
    echo "the kernel has no module $1"
  fi
  shift
done
shift
for port in "$@"; do
  ss -Hlntup "sport = :$port" | sed -n "s/.*users:((\"\([^\"]*\)\".*/port $port is held by \1/p"
done | grep -v ' weaver$' | sort -u
exit 0

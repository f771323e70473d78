#!/bin/sh
# Prints what keeps a pod network from running on this node: modules that the kernel lacks, ports that
# another program has, and images that docker lacks. Usage: why.sh MODULE... -- PORT... -- IMAGE...
builtin="/lib/modules/$(uname -r)/modules.builtin"
while [ "$1" != -- ]; do
  # Without the list nobody can tell a module that is missing from one that is built in.
  if [ -e "$builtin" ] && [ ! -d "/sys/module/$1" ] && ! modprobe --dry-run --quiet "$1" && ! grep -q "/$1.ko" "$builtin"; then
    echo "the kernel has no module $1"
  fi
  shift
done
shift
while [ "$1" != -- ]; do
  ss -Hlntup "sport = :$1" | sed -n "s/.*users:((\"\([^\"]*\)\".*/port $1 is held by \1/p" | grep -v ' weaver$' | sort -u
  shift
done
shift
for image in "$@"; do
  docker image inspect "$image" > /dev/null 2>&1 || echo "docker has no image $image"
done
exit 0

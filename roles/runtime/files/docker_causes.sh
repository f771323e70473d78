#!/bin/sh
# Prints why the services and the static pods of this node do not run, a sentence each; nothing where all run.
# Usage: docker_causes.sh SERVICE... -- POD...
export LC_ALL=C
manifests=/etc/kubernetes/manifests

# The line by which a program that ended said why: the last fatal one, else the last error, else the last. After a
# fatal line a program of Kubernetes writes thousands more, the stacks of its threads.
last_words() {
  awk 'NF { last = $0 }
    /^F[0-9][0-9][0-9][0-9] | FATAL|level"?[=:]"?fatal|panic: |failed to load Kubelet config|failed to run Kubelet/ { fatal = $0 }
    /^E[0-9][0-9][0-9][0-9] |level"?[=:]"?error|[Ee]rror: / { error = $0 }
    END { print fatal ? fatal : error ? error : last }' | cut -c 1-500
}

property() {
  systemctl show -p "$2" "$1" | cut -d = -f 2-
}

# What the last process of a service wrote. Before systemd 232 an invocation has no id.
journal() {
  invocation="$(property "$1" InvocationID)"
  journalctl --quiet --no-pager -o cat -n 300 "_SYSTEMD_UNIT=$1" \
    ${invocation:+"_SYSTEMD_INVOCATION_ID=$invocation"} 2> /dev/null
}

# A service that ends and starts again is active in between.
restarts() {
  begun="$(property "$1" ActiveEnterTimestampMonotonic)"
  age="$(awk -v begun="${begun:-0}" '{ printf "%d", $1 - begun / 1000000 }' /proc/uptime)"
  count="$(property "$1" NRestarts)"
  [ "${count:-0}" -gt 0 ] && [ "$age" -lt 10 ]
}

while [ $# -gt 0 ] && [ "$1" != -- ]; do
  state="$(systemctl is-active "$1")"
  if [ "$state" = active ] && restarts "$1"; then
    state="started again and again"
  fi
  if [ "$(property "$1" LoadState)" != loaded ]; then
    echo "$1 is not installed"
  elif [ "$state" = inactive ] && [ "$(property "$1" Result)" = success ]; then
    echo "$1 is inactive: it was stopped, and did not fail"
  elif [ "$state" != active ]; then
    echo "$1 is $state: $(journal "$1" | last_words)"
  fi
  shift
done
[ $# -gt 0 ] && shift

containers() {
  timeout 20 docker ps --quiet "$@" --filter "label=io.kubernetes.container.name=$pod" \
    --filter label=io.kubernetes.pod.namespace=kube-system 2> /dev/null
}

answers=yes
if [ $# -gt 0 ] && ! timeout 20 docker ps --quiet > /dev/null 2>&1; then
  answers=no
  echo "docker does not answer, so nothing is known of the containers of static pods"
fi

for pod in "$@"; do
  manifest="$manifests/$pod.yaml"
  if [ ! -s "$manifest" ]; then
    echo "static pod $pod does not run: $manifest is missing or empty"
    continue
  fi
  [ $answers = no ] || [ -n "$(containers)" ] && continue
  # kubelet says it at each look, every 20 seconds.
  refused="$(journalctl --quiet --no-pager -o cat --since=-1min _SYSTEMD_UNIT=kubelet.service |
    grep -F "$manifest" | grep "process manifest" | tail -n 1 | cut -c 1-500)"
  ended="$(containers --all | head -n 1)"
  if [ -n "$refused" ]; then
    echo "static pod $pod does not run, because kubelet refuses its manifest: $refused"
  elif [ -n "$ended" ]; then
    echo "static pod $pod does not run: its container ended with exit code" \
      "$(docker inspect --format '{{.State.ExitCode}}' "$ended"):" \
      "$(docker logs --tail 5000 "$ended" 2>&1 | last_words)"
  else
    echo "static pod $pod does not run: it has no container"
  fi
done
exit 0

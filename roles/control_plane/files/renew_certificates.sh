#!/bin/sh
# Renews the certificates of a control plane that end soon, and restarts what runs with older ones. Prints what
# it did, a line each. Those of kubeadm are valid for a year. kubelet renews its own, but only while it runs.
set -u
export LC_ALL=C
etc=/etc/kubernetes pki=/var/lib/kubelet/pki config=/etc/kubeadm.yml
[ -e "$etc/pki/apiserver.crt" ] || exit 0
exec 9> /run/lock/kubelab-kubeadm && flock 9 || exit
# The folder that a killed run left has a key.
rm -rf "$pki/renewal"

# A month is left, or less: kubeadm says how much, in its largest unit. Authorities are nobody's to renew.
ending="$(kubeadm certs check-expiration --config "$config" |
  awk '$1 !~ /^(etcd-|front-proxy-)?ca$/ && / UTC +(<invalid>|[0-9]+[smh]|[12]?[0-9]d) / { print $1 }')"
if [ -n "$ending" ]; then
  kubeadm certs renew all --config "$config" > /dev/null || exit
  echo renewed: $ending
fi

if openssl x509 -checkend 0 -noout -in "$pki/kubelet-client-current.pem" 2> /dev/null | grep -qx 'Certificate will expire'; then
  mkdir -m 0700 "$pki/renewal" || exit
  kubeadm init phase kubeconfig kubelet --config "$config" --kubeconfig-dir "$pki/renewal" > /dev/null || exit
  (
    umask 077
    sed -n 's/^ *client-\(certificate\|key\)-data: *//p' "$pki/renewal/kubelet.conf" | while read -r data; do
      echo "$data" | base64 -d
    done > "$pki/kubelet-client-renewed.pem"
  )
  ln -sf kubelet-client-renewed.pem "$pki/kubelet-client-current.pem" && rm -rf "$pki/renewal"
  systemctl restart kubelet || exit
  echo renewed: kubelet
fi

# A run that was killed after it renewed has not restarted anything yet, so this is asked of the processes.
newest="$(stat -c %Y "$etc"/pki/*.crt "$etc"/pki/etcd/*.crt "$etc"/controller-manager.conf "$etc"/scheduler.conf |
  sort -n | tail -n 1)"
older=""
for pid in $(pgrep -f "^(etcd|kube-apiserver|kube-controller-manager|kube-scheduler) .*$etc/"); do
  age="$(ps -o etimes= -p "$pid")"
  # ps counts whole seconds.
  [ -n "$age" ] && [ "$(($(date +%s) - age + 2))" -lt "${newest:-0}" ] && older="$older $pid"
done
[ -n "$older" ] || exit 0
echo restarted: $(ps -o args= -p "$(echo $older | tr ' ' ,)" | sed 's/ .*//')
# kubelet forgets how often its pods failed, and starts them at once.
kill $older && systemctl restart kubelet

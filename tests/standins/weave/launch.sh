#!/bin/sh
# Plays the part of weave-kube's launch.sh: a bridge on each node, joined by VXLAN to those of the others, with
# the rules, sets and files that Weave leaves on a node, and its status port. It enforces no NetworkPolicy.
set -e

say() {
  echo "$1: $(date -u '+%Y/%m/%d %H:%M:%S') $2"
}

# Without openvswitch Weave's first start falls back to a bridge, and each later one refuses that bridge.
if [ -z "$WEAVE_NO_FASTDP" ] && [ -e /sys/class/net/weave ] && [ ! -e /sys/class/net/datapath ]; then
  say FATA 'Existing bridge type "bridge" is different than requested "bridged_fastdp"'
  exit 1
fi

range=$(kubectl get node "$HOSTNAME" -o 'jsonpath={.spec.podCIDR}')
address=$(kubectl get node "$HOSTNAME" -o 'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}')
first=${range%.*}
# For the plugin, which runs on the node.
echo "${IPALLOC_RANGE} $first" > /weavedb/weave-netdata.db
kubectl -n kube-system get configmap weave-net > /dev/null 2>&1 ||
  kubectl -n kube-system create configmap weave-net > /dev/null || true

mtu=${WEAVE_MTU:-65535}
if [ ! -e /sys/class/net/weave ]; then
  ip link add weave type bridge
  ip link add vethwe-bridge type veth peer name vethwe-pcap
  ip link add vxlan-6784 type vxlan id 6784 dstport 6784 local "$address"
  ip link set vethwe-bridge master weave up
  ip link set vxlan-6784 mtu "$mtu" master weave up
  ip link set vethwe-pcap up
fi
ip link set weave mtu "$mtu" up
ip address replace "$first.1/${IPALLOC_RANGE#*/}" dev weave

ipset -exist create weave-of-pods hash:ip
ipset -exist create weave-of-all list:set
ipset -exist add weave-of-all weave-of-pods
ipset -exist create weaver-no-masq-local hash:net
ipset -exist add weaver-no-masq-local "$range"

rule() {
  table=$1
  shift
  iptables -w -t "$table" -C "$@" 2> /dev/null || iptables -w -t "$table" -A "$@"
}
for chain in WEAVE-NPC WEAVE-NPC-DEFAULT WEAVE-NPC-EGRESS; do
  iptables -w -N "$chain" 2> /dev/null || true
done
iptables -w -t nat -N WEAVE 2> /dev/null || true
rule filter WEAVE-NPC -m state --state RELATED,ESTABLISHED -j ACCEPT
rule filter WEAVE-NPC -m state --state NEW -j WEAVE-NPC-DEFAULT
rule filter WEAVE-NPC-DEFAULT -m set --match-set weave-of-all dst -j ACCEPT
rule filter WEAVE-NPC-DEFAULT -j ACCEPT
rule filter INPUT -d 127.0.0.1/32 -p tcp -m tcp --dport 6784 -m addrtype ! --src-type LOCAL -m conntrack \
  ! --ctstate RELATED,ESTABLISHED -m comment --comment "Block non-local access to Weave Net control port" -j DROP
rule filter FORWARD -i weave -m comment --comment "must go before '-j KUBE-FORWARD'" -j WEAVE-NPC-EGRESS
rule filter FORWARD -o weave -m comment --comment "must go before '-j KUBE-FORWARD'" -j WEAVE-NPC
rule filter FORWARD -o weave -m state --state NEW -j NFLOG --nflog-group 86
rule filter FORWARD -o weave -j DROP
rule filter FORWARD -i weave ! -o weave -j ACCEPT
rule filter FORWARD -o weave -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
rule nat POSTROUTING -j WEAVE
rule nat WEAVE -m set --match-set weaver-no-masq-local dst -j RETURN
rule nat WEAVE -s "$IPALLOC_RANGE" ! -d "$IPALLOC_RANGE" -j MASQUERADE

mkdir -p /tmp/status
echo "Status: ready" > /tmp/status/status
httpd -p 127.0.0.1:6784 -h /tmp/status
say INFO "ready with MTU $mtu"

trap 'exit 0' TERM
while :; do
  kubectl get nodes -o \
    'jsonpath={range .items[*]}{.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}' > /tmp/peers || true
  while read -r peer; do
    # The address that is all zeros is for what goes to everybody; the kernel may have learned others of this peer.
    [ "$peer" = "$address" ] || bridge fdb show dev vxlan-6784 | grep -q "^00:00:00:00:00:00 dst $peer " ||
      bridge fdb append 00:00:00:00:00:00 dev vxlan-6784 dst "$peer"
  done < /tmp/peers
  sleep 5 &
  wait $!
done

#!/bin/bash
# Makes a machine a node, the straight way:  provision.sh NAME ADDRESS
set -euo pipefail
name=$1 address=$2 files=/tmp/files token=abcdef.0123456789abcdef
export DEBIAN_FRONTEND=noninteractive

printf '10.75.0.10 master\n10.75.0.11 worker1\n10.75.0.12 worker2\n' >> /etc/hosts
swapoff -a
printf 'br_netfilter\noverlay\n' > /etc/modules-load.d/k8s.conf
modprobe br_netfilter
modprobe overlay
printf 'net.bridge.bridge-nf-call-iptables=1\nnet.ipv4.ip_forward=1\n' > /etc/sysctl.d/k8s.conf
sysctl -q --system

echo ',,83' | sfdisk -q /dev/vdb
mkfs.ext4 -q /dev/vdb1
mkdir -p /var/lib/docker
echo '/dev/vdb1 /var/lib/docker ext4 defaults 0 2' >> /etc/fstab
mount /var/lib/docker

mkdir -p /etc/docker
echo '{"exec-opts": ["native.cgroupdriver=systemd"], "log-driver": "json-file", "storage-driver": "overlay2"}' \
  > /etc/docker/daemon.json
apt-get -q update
apt-get -qy install --no-install-recommends docker.io conntrack ebtables ethtool ipset iptables socat
systemctl enable --now docker

install -m 755 $files/set/bin/* /usr/local/bin/
mkdir -p /opt/cni/bin
install -m 755 $files/set/cni/* /opt/cni/bin/
sed "s/@ADDRESS@/$address/" $files/kubelet.service > /etc/systemd/system/kubelet.service
systemctl enable --now kubelet
archives=$(ls $files/set/images/node/*.tar)
[ "$name" = master ] && archives="$archives $(ls $files/set/images/control-plane/*.tar)"
for archive in $archives; do docker load -q -i "$archive"; done

if [ "$name" = master ]; then
  kubeadm init --config $files/kubeadm.yml --skip-token-print
  export KUBECONFIG=/etc/kubernetes/admin.conf
  kubeadm token create $token --ttl 1h
  kubectl apply -f $files/applied.json
  kubectl wait --for=condition=Ready --timeout=900s node/master
  kubectl -n kube-system rollout status --timeout=900s deployment/coredns
else
  for _ in $(seq 300); do
    kubeadm join 10.75.0.10:6443 --token $token --discovery-token-unsafe-skip-ca-verification &&
      exec kubectl --kubeconfig /etc/kubernetes/kubelet.conf wait --for=condition=Ready --timeout=900s "node/$name"
    kubeadm reset --force || true
    sleep 5
  done
  exit 1
fi

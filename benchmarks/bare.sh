#!/bin/bash
# The work of `kubelab up` by hand: three machines, docker, kubeadm init, two joins, flannel, DNS, by ssh
# and nothing else. It is what kubelab is measured against, so it does all that matters and no more:
# steps that do not wait for each other run at the same time, and nothing is checked twice.
#
#   bare.sh up|down FOLDER ROOT SET
#
# FOLDER is scratch space; ROOT is a machine root and SET an artifact set. FOLDER.rendered holds what a lab
# of kubelab's was given: kubeadm.yml, applied.json (objects for the cluster), machine.service (the unit that
# sets a machine's address), masked (units that only cost time) and runc (a wrapper, or nothing).
set -euo pipefail

action=$1 folder=$2 root=$3 set=$4
net=10.78.0 bridge=kl-bare table=kubelab-bare
declare -A address=([master]=$net.10 [worker1]=$net.11 [worker2]=$net.12)
key=$folder/key
ssh_options=(-F /dev/null -i "$key" -o UserKnownHostsFile="$folder/known" -o LogLevel=ERROR
  -o StrictHostKeyChecking=accept-new -o ControlMaster=auto -o ControlPersist=60
  -o ControlPath="$folder/%h")

on() { local node=$1; shift; ssh "${ssh_options[@]}" "root@${address[$node]}" "$@"; }
phase() { echo "phase $1 $(date +%s.%N)"; }

groups_of() { for place in /sys/fs/cgroup/*/; do echo "${place}kubelab/bare/$1"; done; }

down() {
  for node in "${!address[@]}"; do
    for _ in $(seq 100); do
      processes=$(cat $(groups_of "$node" | sed 's,$,/cgroup.procs,') 2>/dev/null \
        ; find $(groups_of "$node") -name cgroup.procs -exec cat {} + 2>/dev/null) || true
      [ -z "$processes" ] && break
      kill -9 $processes 2>/dev/null || true
      sleep 0.05
    done
    find $(groups_of "$node") -depth -type d -exec rmdir {} + 2>/dev/null || true
    ip link delete "vb-bare-$node" 2>/dev/null || true
  done
  rmdir /sys/fs/cgroup/*/kubelab/bare /sys/fs/cgroup/*/kubelab 2>/dev/null || true
  nft delete table ip $table 2>/dev/null || true
  ip link delete $bridge 2>/dev/null || true
  rm -rf --one-file-system "$folder"
}

start_machine() {
  local node=$1 place=$folder/$1 group
  mkdir -p "$place"/{upper/etc/systemd/system/basic.target.wants,upper/root/.ssh,upper/usr/local/sbin}
  mkdir -p "$place"/{work,root,docker,kubelet}
  chmod 700 "$place/upper/root" "$place/upper/root/.ssh"
  cp "$key.pub" "$place/upper/root/.ssh/authorized_keys"
  echo "$node" > "$place/upper/etc/hostname"
  mkdir -p "$place/upper/etc/ssh"
  ssh-keygen -q -t ed25519 -N '' -f "$place/upper/etc/ssh/ssh_host_ed25519_key"
  local units=$place/upper/etc/systemd/system unit
  sed "s,@ADDRESS@/,${address[$node]}/," "$folder.rendered/machine.service" > "$units/kubelab-machine.service"
  ln -s ../kubelab-machine.service "$units/basic.target.wants/kubelab-machine.service"
  while read -r unit; do ln -s /dev/null "$units/$unit"; done < "$folder.rendered/masked"
  if [ -s "$folder.rendered/runc" ]; then
    install -m 755 "$folder.rendered/runc" "$place/upper/usr/local/sbin/runc"
  fi
  for group in $(groups_of "$node"); do
    mkdir -p "$group"
    case $group in /sys/fs/cgroup/cpuset/*)
      for one in "${group%/bare/*}" "${group%/*}" "$group"; do
        cat /sys/fs/cgroup/cpuset/cpuset.cpus > "$one/cpuset.cpus"
        cat /sys/fs/cgroup/cpuset/cpuset.mems > "$one/cpuset.mems"
      done ;;
    esac
  done
  SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes setsid unshare --mount --propagation private sh -c '
    place=$1 root=$2 set=$3 node=$4 bridge=$5; shift 5
    for group; do echo $$ > $group/cgroup.procs; done
    mkdir -p /run/systemd/nspawn; mount -t tmpfs -o mode=755 nspawn /run/systemd/nspawn
    mount -t overlay -o "lowerdir=$root,upperdir=$place/upper,workdir=$place/work" overlay "$place/root"
    exec systemd-nspawn --boot --directory="$place/root" --machine="bare-$node" --hostname="$node" \
      --network-bridge=$bridge --register=no --keep-unit --console=pipe --capability=all \
      --system-call-filter="add_key keyctl bpf perf_event_open" --resolv-conf=off --timezone=off \
      --link-journal=no --bind=/dev/kmsg --bind="$place/docker:/var/lib/docker" \
      --bind="$place/kubelet:/var/lib/kubelet" --bind-ro="$set:/set"' \
    sh "$place" "$root" "$set" "$node" $bridge $(groups_of "$node") \
    < /dev/null > "$place/console" 2>&1 &
}

prepare_node() {
  local node=$1
  on "$node" sh -es <<SCRIPT
printf '%s\n' '$net.10 master' '$net.11 worker1' '$net.12 worker2' >> /etc/hosts
groupadd -g 6443 kube && useradd -u 6443 -g 6443 -m -s /bin/bash kube
printf 'br_netfilter\noverlay\n' > /etc/modules-load.d/kubelab.conf
cat > /etc/sysctl.d/99-kubelab.conf <<X
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
net.ipv4.ip_forward = 1
X
sysctl -q -p /etc/sysctl.d/99-kubelab.conf
mkdir -p /etc/docker /opt/cni/bin /etc/kubernetes/manifests
cat > /etc/docker/daemon.json <<X
{"exec-opts": ["native.cgroupdriver=systemd"], "log-driver": "json-file",
 "log-opts": {"max-size": "50m", "max-file": "3"}, "storage-driver": "overlay2"}
X
apt-get -qq install docker.io conntrack ebtables ethtool ipset iptables socat > /dev/null
systemctl -q enable --now docker
test "\$(docker info -f '{{.CgroupDriver}} {{.Driver}}')" = 'systemd overlay2'
install -m 755 /set/bin/* /usr/local/bin/
install -m 755 /set/cni/* /opt/cni/bin/
cat > /etc/systemd/system/kubelet.service <<'X'
[Service]
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStart=/usr/local/bin/kubelet --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf \
  --kubeconfig=/etc/kubernetes/kubelet.conf --config=/var/lib/kubelet/config.yaml \
  --node-ip=${address[$node]} \$KUBELET_KUBEADM_ARGS
Restart=always
RestartSec=2
StartLimitInterval=0
[Install]
WantedBy=multi-user.target
X
systemctl daemon-reload && systemctl -q enable kubelet
for image in /set/images/node/*.tar $([ "$node" = master ] && echo '/set/images/control-plane/*.tar'); do
  docker load -q -i \$image > /dev/null & loads="\$loads \$!"
done
for load in \$loads; do wait \$load; done
SCRIPT
}

up() {
  phase machines
  mkdir -p "$folder"
  ssh-keygen -q -t ed25519 -N '' -f "$key"
  ip link add $bridge type bridge && ip address add $net.1/24 dev $bridge
  ip link set $bridge mtu "$(ip -j route show default | grep -o '"dev":"[^"]*' | head -1 | cut -d'"' -f4 \
    | xargs -I{} cat /sys/class/net/{}/mtu)" up
  nft -f - <<RULES
table ip $table { chain forward { type filter hook forward priority filter;
  iifname "$bridge" oifname != "$bridge" ip daddr { 10.244.0.0/16, 10.96.0.0/12 } drop; }; }
RULES
  for node in master worker1 worker2; do start_machine $node; done
  for node in master worker1 worker2; do
    for _ in $(seq 100); do on $node true 2>/dev/null && break; sleep 0.2; done
  done

  phase nodes
  local jobs=()
  for node in master worker1 worker2; do prepare_node $node & jobs+=($!); done
  for job in "${jobs[@]}"; do wait "$job"; done

  phase init
  on master 'cat > /etc/kubeadm.yml; kubeadm init --config /etc/kubeadm.yml --skip-token-print \
    --ignore-preflight-errors=SystemVerification > /var/log/init.log 2>&1' < "$folder.rendered/kubeadm.yml"
  on master 'kubectl --kubeconfig /etc/kubernetes/admin.conf apply -f - > /dev/null' \
    < "$folder.rendered/applied.json"
  on master 'install -d -o kube -g kube -m 700 /home/kube/.kube
    install -o kube -g kube -m 600 /etc/kubernetes/admin.conf /home/kube/.kube/config
    cat /etc/kubernetes/admin.conf' > "$folder/kubeconfig"

  phase join
  local join
  join=$(on master kubeadm token create --ttl 15m --print-join-command)
  jobs=()
  for node in worker1 worker2; do
    on $node "$join --ignore-preflight-errors=SystemVerification > /var/log/join.log 2>&1" & jobs+=($!)
  done
  for job in "${jobs[@]}"; do wait "$job"; done
  on master "kubeadm token delete $(echo "$join" | grep -o '[a-z0-9]\{6\}\.[a-z0-9]\{16\}')" > /dev/null

  phase ready
  on master 'k="kubectl --kubeconfig /etc/kubernetes/admin.conf"
    for i in $(seq 60); do $k get node worker1 worker2 > /dev/null 2>&1 && break; sleep 0.5; done
    $k wait --for=condition=Ready --timeout=180s node/master node/worker1 node/worker2 > /dev/null
    $k -n kube-system rollout status deployment/coredns --timeout=180s > /dev/null'
  phase end
}

$action

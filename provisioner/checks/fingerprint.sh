# Prints the state that the roles set on a machine, and marks that show later changes.
export LC_ALL=C
# The kernel updates a file's change time (%C@) on every write and change of mode, owner or name.
# The sets and /etc/resolv.conf are left out, because the host provides them to its machines.
find /etc /usr/local/bin /usr/local/sbin /opt/cni /var/lib/kubelab /home/*/.kube/config /var/lib/dpkg/status \
  /var/lib/rpm/Packages /var/lib/rpm/rpmdb.sqlite /var/lib/kubelet/config.yaml \
  /var/lib/kubelet/kubeadm-flags.env -xdev ! -path /etc/resolv.conf ! -path /var/lib/kubelab/sets \
  -printf 'file %p %C@ %i %m %U:%G %l\n' 2> /dev/null | sort
stat -c 'folder %n %a %U:%G' /home/*/.kube
# A restarted service has another process id and start time.
systemctl show -p Id -p ActiveState -p UnitFileState -p NeedDaemonReload -p ExecMainPID \
  -p ExecMainStartTimestampMonotonic containerd.service docker.service cri-docker.service \
  kubelet.service firewalld.service NetworkManager.service chronyd.service |
  awk 'BEGIN { RS = "" } { gsub("\n", " "); print "unit " $0 }'
while read -r module; do
  [ -d "/sys/module/$module" ] && echo "module $module"
done < /etc/modules-load.d/kubelab.conf
sed 's/ *=.*//' /etc/sysctl.d/99-kubelab.conf | while read -r key; do
  echo "sysctl $key" $(cat "/proc/sys/$(echo "$key" | tr . /)")
done
echo host "$(hostname)" $(getenforce 2> /dev/null)
sed 's/ .*//; s/^/swap /' /proc/swaps
sed -n 's/^\(\/dev\/[^ ]* [^ ]* [^ ]*\) .*/mount \1/p' /proc/mounts | grep -v ' /var/lib/\(docker\|kubelet\)/' | sort
ip route | grep -v ' proto kernel ' | sed 's/^/route /' | sort
if command -v docker > /dev/null; then
  docker image ls --no-trunc --format 'image {{.Repository}}:{{.Tag}} {{.ID}}' | sort
fi
if command -v ctr > /dev/null; then
  ctr --namespace k8s.io images ls -q | sed 's/^/image /' | sort
fi

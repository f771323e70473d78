"""Certificates that expired are renewed by the real kubeadm, in namespaces that end with the test.

Its /etc and /var/lib are this host's with a layer of their own, and processes of this host are not
seen there. kubelet is a program that writes down what it was told.
"""

import json
import re
import subprocess
from pathlib import Path

from tests.labs import KUBELAB
from tests.unit.roles.manifests import ROLES, manifest, render

SCRIPT = ROLES / "control_plane/files/renew_certificates.sh"
# Names that YAML would read as something else.
NAMES = ["10", "1e3", "null", "on"]
INSIDE = """
set -eu
mount --make-rprivate /
mount -t tmpfs none "$1"
mkdir "$1/bin" "$1/etc" "$1/etc.work" "$1/lib" "$1/lib.work"
mount -t overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/etc.work" none /etc
mount -t overlay -o "lowerdir=/var/lib,upperdir=$1/lib,workdir=$1/lib.work" none /var/lib
mount -t tmpfs none /run/lock
cp "$2" "$1/bin/kubeadm"
printf '#!/bin/sh\\ncase $1 in restart) echo "$*" ;; esac >> %s/calls\\n' "$1" > "$1/bin/systemctl"
chmod 755 "$1/bin/systemctl"
PATH="$1/bin:$PATH"
renew() { echo "$1"; sh "$renew" 2> "$folder/said" || cat "$folder/said"; }
folder=$1 renew=$3 etc=/etc/kubernetes pki=/var/lib/kubelet/pki
renew before-init
mkdir -p $etc $pki
cp "$4/1e3.yml" /etc/kubeadm.yml
kubeadm init phase certs all --config /etc/kubeadm.yml > /dev/null 2>&1
kubeadm init phase kubeconfig all --config /etc/kubeadm.yml > /dev/null 2>&1
touch $pki/old.pem
ln -s old.pem $pki/kubelet-client-current.pem
renew valid
bash -c 'exec -a "kube-scheduler --kubeconfig=/etc/kubernetes/scheduler.conf" sleep 60' &
bash -c 'exec -a "kube-scheduler --of=somebody" sleep 60' &
other=$!
sleep 4
for name in apiserver etcd/server; do
  ca=$etc/pki/ca
  [ $name = apiserver ] || ca=$etc/pki/etcd/ca
  cd $etc/pki
  openssl x509 -in $name.crt -x509toreq -signkey $name.key -copy_extensions copyall > new.csr
  openssl x509 -req -in new.csr -CA $ca.crt -CAkey $ca.key -set_serial 7 \\
    -copy_extensions copyall -days 0 -out $name.crt 2> /dev/null
done
openssl req -new -newkey rsa:2048 -nodes -subj /CN=x -keyout $pki/x.key -out $pki/x.csr 2> /dev/null
openssl x509 -req -in $pki/x.csr -signkey $pki/x.key -days 0 2> /dev/null > $pki/old.pem
sleep 1
renew expired
cat "$folder/calls"
kill -0 $other && echo "what is somebody's goes on"
openssl verify -CAfile $etc/pki/ca.crt $etc/pki/apiserver.crt $pki/kubelet-client-current.pem
openssl verify -CAfile $etc/pki/etcd/ca.crt $etc/pki/etcd/server.crt
stat -Lc 'mode %a' $pki/kubelet-client-current.pem
renew again
for config in "$4"/*.yml; do
  kubeadm init phase kubeconfig kubelet --config "$config" --kubeconfig-dir "$1/made" \\
    > /dev/null 2>&1
  sed -n 's/^ *client-certificate-data: *//p' "$1/made/kubelet.conf" | base64 -d |
    openssl x509 -noout -subject
  rm -r "$1/made"
done
"""
RIGHT = """\
before-init
valid
expired
renewed: apiserver etcd-server
renewed: kubelet
restarted: kube-scheduler
restart kubelet
restart kubelet
what is somebody's goes on
/etc/kubernetes/pki/apiserver.crt: OK
/var/lib/kubelet/pki/kubelet-client-current.pem: OK
/etc/kubernetes/pki/etcd/server.crt: OK
mode 600
again
subject=O = system:nodes, CN = system:node:10
subject=O = system:nodes, CN = system:node:1e3
subject=O = system:nodes, CN = system:node:null
subject=O = system:nodes, CN = system:node:on
"""


def test_what_expired_is_renewed_once_and_nodes_of_any_name_get_theirs(tmp_path):
    said = subprocess.run(
        [str(KUBELAB), "artifacts", "build", "embedded"], capture_output=True, text=True, check=True
    )
    made = Path(re.search(r"artifact set: (\S+)", said.stdout + said.stderr)[1])
    version = json.loads((made / "manifest.json").read_text())["components"][0]["version"]
    for name in NAMES:
        own = {"inventory_hostname": name, "node_ip": "10.77.0.10"}
        text = render(
            "control_plane",
            "kubeadm.yml.j2",
            **own,
            groups={"control_plane": [name], "cluster": [name]},
            hostvars={name: own},
            common_manifest=manifest(version),
            api_endpoint="10.77.0.10:6443",
        )
        (tmp_path / f"{name}.yml").write_text(text)
    (tmp_path / "root").mkdir()
    words = [tmp_path / "root", made / "bin/kubeadm", SCRIPT, tmp_path]
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", INSIDE, "sh", *words],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == RIGHT, done.stderr

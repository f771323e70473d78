#!/bin/sh
# Plays the part of weave-kube's init.sh: installs the plugin under a name without a version, and writes a
# configuration of CNI 1.0.0, as releases from 2.8.4 on do.
set -e
programs=/host/opt/cni/bin
mkdir -p "$programs" /host/etc/cni/net.d
cp /home/weave/plugin.sh "$programs/weave-plugin-latest"
chmod 755 "$programs/weave-plugin-latest"
ln -sf weave-plugin-latest "$programs/weave-net"
ln -sf weave-plugin-latest "$programs/weave-ipam"
cat > /host/etc/cni/net.d/10-weave.conflist <<CONFIGURATION
{
    "cniVersion": "1.0.0",
    "name": "weave",
    "plugins": [
        {"name": "weave", "type": "weave-net", "hairpinMode": true},
        {"type": "portmap", "capabilities": {"portMappings": true}, "snat": true}
    ]
}
CONFIGURATION
echo "INFO: installed"

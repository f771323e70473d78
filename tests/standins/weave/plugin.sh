#!/bin/sh
# Plays the part of Weave's plugin, on the node: the plugins bridge and host-local do its work, and the result
# has the version of CNI that the configuration asks for.
read -r range first < /var/lib/weave/weave-netdata.db || {
  echo '{"cniVersion": "0.3.0", "code": 100, "msg": "weave is not running"}'
  exit 1
}
version=$(sed -n 's/.*"cniVersion": *"\([^"]*\)".*/\1/p')
exec /opt/cni/bin/bridge <<CONFIGURATION
{"cniVersion": "$version", "name": "weave", "type": "bridge", "bridge": "weave", "isGateway": true,
 "hairpinMode": true, "mtu": $(cat /sys/class/net/weave/mtu),
 "ipam": {"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}], "ranges": [[{"subnet": "$range",
   "rangeStart": "$first.2", "rangeEnd": "$first.254", "gateway": "$first.1"}]]}}
CONFIGURATION

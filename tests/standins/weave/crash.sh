#!/bin/sh
# A launch.sh that ends with a reason which is not its last line.
echo "INFO: starting"
echo "FATA: the stand-in cannot go on"
echo "INFO: cleaning up"
exit 1

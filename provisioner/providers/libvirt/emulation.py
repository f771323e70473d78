"""What virtual machines by emulation need that others do not: patience."""

# By how much slower, by libvirt's name of the driver. Measured by emulation on two cores: kubeadm
# init took 150 s, against 19 s in a container.
SLOWNESS = {"kvm": 1.0, "qemu": 8.0}
STOP_SECONDS = {"kvm": 90.0, "qemu": 300.0}

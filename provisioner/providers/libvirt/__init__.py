"""Virtual machines of libvirt, made by Vagrant."""

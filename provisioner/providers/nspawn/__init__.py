"""Machine containers of systemd-nspawn on this host."""

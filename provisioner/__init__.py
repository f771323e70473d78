"""kubelab: real Kubernetes, by kubeadm, on real machines of your own."""

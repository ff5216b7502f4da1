"""The product on a real Kubernetes cluster, that of the current kubectl context, with Strimzi's operator in it."""

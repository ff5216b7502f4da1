"""setup.sh and cleanup.sh on a Kubernetes cluster.

Each thing that they make is a component (`component`): it is checked before anything is touched, installed, and removed
in the opposite order. `setup` and `cleanup` are lists of components. `cluster` is the Kubernetes API; helm and
kubectl kustomize are called as programs (`programs`).
"""

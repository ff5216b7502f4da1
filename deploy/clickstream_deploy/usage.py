"""The texts of --help, whose lines that begin with an option declare it (`options`)."""

_SETUP = """\
Usage: ./setup.sh [option ...]            on the Kubernetes cluster of the current kubectl context
       ./setup.sh --local [option ...]    on this machine, without Kubernetes

On a cluster: creates the topics and the apps' users in Strimzi's Kafka, installs a Helm release of each app, and
waits until all are Ready. Run again, it changes only what is different. It needs Python 3.11 or newer with venv,
kubectl, helm, and the apps' images where the cluster's nodes can pull them (make images). The first time it fetches
Python's Kubernetes client (into .venv-deploy).

  --namespace NAME          Kafka's namespace, where the apps live too (kafka)
  --cluster-name NAME       name of the Kafka resource (data-on-eks)
  --with-kafka dev|eks      create that Kafka: dev has one node, eks three controllers and three brokers
  --install-operator        install Strimzi's operator first, into namespace strimzi
  --collector               install the collector too, which takes clicks from browsers
  --archive                 keep everything: Kafka Connect writes to S3, and jobs make typed tables, reports and a proof
                            that the archive and the live numbers agree; without --archive-bucket in the cluster
                            itself (SeaweedFS in one pod with one volume), for trying it out
  --archive-bucket NAME     the archive's S3 bucket, with AWS Glue as the catalog, by EKS pod identity
  --archive-secret NAME     instead of pod identity: the Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
  --archive-region NAME     the bucket's region (the nodes')
  --scenarios               install the scenarios too: the stream that applies them, and the page on which people edit
                            them; it needs two stores:
  --database-secret NAME    their MariaDB: the Secret with url, mariadb://USER@HOST:3306/NAME, and password
  --redis-secret NAME       their Redis or Valkey: the Secret with url, redis://HOST:6379/0, and perhaps password
  --with-stores dev         instead of both: one MariaDB and one Valkey in the cluster, each in one pod with one volume,
                            for trying out: no copies, no backups, nothing for production
  --monitoring              install the Grafana dashboard, and the alert rules where the Prometheus operator is; without
                            this option both come where that operator is
  --build                   build the images first, with docker, podman or buildah, and load them into the nodes of
                            kind, k3d or minikube, or push them to the registry that --image-registry names
  --image-registry NAME     where the images are (localhost)
  --image-tag TAG           their tag (the charts' version)
  --platform NAME           where nodes are mixed, the architecture that the apps run on: amd64, arm64 or any (those
                            that the images have; amd64 where that can't be found out)
  --window-size DURATION    length of the windows, 1s to 1d (5m); topics keep their records as long as it needs
  --rate NUMBER             events per second of the producer (10)
  --kind KIND               what the producer writes: events, which the processor counts; weblog, web server logs to
                            the topic web_logs; access-log, requests of scenarios, with --scenarios (events)
  --values [RELEASE=]FILE   Helm values for all apps' releases, or for one release; may be given several times; the
                            options above win over these
  --timeout DURATION        how long each step may take (10m)
  --throughput-test NUMBER  install nothing: send so many events per second to the processor that runs, print what it
                            does with them at each number of replicas, and put everything back
  --replicas LIST           those numbers (1,3,6)
  --duration DURATION       how long each of them is measured, 10s to 1d (2m)
  --dry-run                 check everything, say what would be done, and change nothing in the cluster
  --help                    this text

Options are not remembered: what is left out is back at its default at the next run; only the number of replicas
stays as kubectl scale set it, and a collector that is there is left alone without --collector (likewise what
--archive, --scenarios and --monitoring install). STRIMZI_CHART and STRIMZI_VERSION in the environment name a mirror
of Strimzi's chart.

With --local: simulated users, a real Apache Kafka broker, the stream processor and the dashboard in this terminal;
--collector adds the collector and a demo shop to click on. Ctrl+C stops it and leaves nothing running. It needs
Python 3.11 or newer with venv, and make; the rest it fetches at the first start (into .venv and .local).
./setup.sh --local --help lists its options.
"""

_CLEANUP = """\
Usage: ./cleanup.sh [option ...]

Removes the Helm releases, the apps' users, the archive's Kafka Connect and the stores of --with-stores. The topics
stay, with their data, and so do Kafka, what was archived, and scenarios and members.

  --namespace NAME       Kafka's namespace (kafka)
  --cluster-name NAME    name of the Kafka resource (data-on-eks)
  --delete-topics        also remove the topics, their data, and what the groups have committed
  --delete-archive       also remove what was archived in the cluster; a bucket always stays
  --delete-stores        also remove scenarios, members and statistics in the cluster; a database elsewhere always stays
  --delete-kafka         also remove the Kafka cluster, if setup.sh made it: with its topics and its volumes
  --all                  also remove Strimzi's operator and the namespace, if setup.sh made them
  --timeout DURATION     how long each step may take (10m)
  --dry-run              say what would be removed, and change nothing
  --help                 this text

What setup.sh did not make, such as a Kafka cluster that was there before, is never removed.
"""

USAGE = {"setup.sh": _SETUP, "cleanup.sh": _CLEANUP}

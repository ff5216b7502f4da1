"""setup.sh: from the options to a Clickstream that is Ready."""

from clickstream_deploy.options import Options
from clickstream_deploy.program import Program, components
from clickstream_deploy.session import Session
from clickstream_deploy.throughput import THROUGHPUT_TEST, recover

_FIRST_STEPS = """\
Clickstream runs in namespace {namespace}. What to look at next:

  # The dashboard, once the first window is over; the simulated users; the processor
  kubectl logs -f deployment/clickstream-consumer -n {namespace}
  kubectl logs -f deployment/clickstream-producer -n {namespace}
  kubectl logs -f deployment/clickstream-streams-processor -n {namespace}

  kubectl get pods -n {namespace} | grep clickstream
  kubectl get kafkatopic -n {namespace} | grep clickstream

  # More throughput: up to as many processors as clickstream-events has partitions
  kubectl scale deployment clickstream-streams-processor -n {namespace} --replicas=3
"""


def set_up(session: Session) -> None:
    """Check everything first, then make what is missing."""
    if not session.options.dry_run:
        recover(session)
    parts = components(session)
    for part in parts:
        part.check()
    session.cluster.check_rights("install Clickstream", [right for part in parts for right in part.rights()])
    for part in parts:
        part.install()
    if session.options.dry_run:
        session.progress.say("Nothing was changed (--dry-run)")
        return
    session.progress.say("All is Ready")
    steps = "".join(part.next_steps() for part in parts)
    remove = f"  # Remove it (--help says what stays)\n  ./cleanup.sh{session.options.place()}"
    session.progress.print(f"\n{_FIRST_STEPS.format(namespace=session.namespace)}{steps}\n{remove}")


SETUP = Program(
    name="setup.sh",
    first="Checking the tools, the cluster, the charts and your rights",
    steps=set_up,
    interrupted=(
        ". What was made so far stays: setup.sh with the same options goes on from there, cleanup.sh removes it."
    ),
    failed="What was made so far stays: setup.sh with the same options goes on from there.",
)


def setup(options: Options) -> Program:
    """The program that the options ask for."""
    return THROUGHPUT_TEST if options.throughput_test else SETUP

"""cleanup.sh: removes what setup.sh made; data only when asked."""

from clickstream_deploy.program import Program, components
from clickstream_deploy.session import Session


def clean_up(session: Session) -> None:
    """Check everything first, then remove it in the reverse order of the installation."""
    parts = components(session)
    for part in parts:
        part.look()
    rights = [right for part in reversed(parts) for right in part.removal_rights()]
    session.cluster.check_rights("remove Clickstream", rights)
    for part in reversed(parts):
        part.remove()
    for part in parts:
        part.say_what_is_left()
    session.progress.say(_last_words(session))


def _last_words(session: Session) -> str:
    if session.options.dry_run:
        return "Nothing was changed (--dry-run)"
    if session.has_left:
        return "Done, but for what is left: see above"
    return "Done" if session.has_removed else "Nothing else was there to be removed"


CLEANUP = Program(
    name="cleanup.sh",
    first="Looking at what there is, and at your rights",
    steps=clean_up,
    interrupted="; cleanup.sh with the same options goes on from there.",
    failed="cleanup.sh can be run again.",
)

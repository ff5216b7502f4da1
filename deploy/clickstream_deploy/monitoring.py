"""The release of the dashboard and the alert rules."""

from clickstream_deploy.app_release import AppRelease
from clickstream_deploy.cluster import rights
from clickstream_deploy.errors import EndedError
from clickstream_deploy.kinds import CONFIG_MAP, RULE
from clickstream_deploy.values import Values, value_arguments


class Monitoring(AppRelease):
    """It is there when it is asked for, or when the Prometheus operator is there and this user may create both;
    without the operator the dashboard alone."""

    _rules = False

    def check(self) -> None:
        served = RULE.name in [each.name for each in self.cluster.serves(RULE.group, RULE.version)]
        self._rules = served and not self.cluster.missing_rights(rights("create patch", RULE, CONFIG_MAP))
        self.is_wanted = self.options.monitoring or self._rules
        if self.options.monitoring and not self._rules:
            self.say(f"No alert rules: the Prometheus operator is not installed, or you may not create {RULE}")
        if not self.is_wanted and any(each.release == self.name for each in self.options.values):
            raise EndedError(
                f"--values={self.name}=...: without the Prometheus operator this release is installed with"
                " --monitoring, which is missing"
            )
        super().check()

    def _arguments(self) -> list[str]:
        """Its own values, and none of the apps'."""
        rules: Values = {"rules": {"enabled": self._rules}}
        given = [each.text for each in self.options.values if each.release == self.name]
        return value_arguments(self.session, self.name, rules, *given)

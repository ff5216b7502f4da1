{{/* The Job is no pod of the stream's: the Service and the monitor pass it by. */}}
{{- define "clickstream-scenarios.migrationLabels" -}}
app.kubernetes.io/name: {{ printf "%s-job" (include "clickstream-library.name" . | trunc 59 | trimSuffix "-") | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: clickstream
{{- end }}

{{/*
Before the rollout: Helm and Flux run it as a hook, Argo CD takes it for its PreSync. What failed stays, so that its log
can be read, until the next rollout. Takes the weight.
*/}}
{{- define "clickstream-scenarios.migrationHook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

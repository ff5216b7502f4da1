{{/* These never change in a release, because a Deployment's selector is immutable. */}}
{{- define "clickstream-library.selectorLabels" -}}
app.kubernetes.io/name: {{ include "clickstream-library.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "clickstream-library.labels" -}}
{{ include "clickstream-library.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: clickstream
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | quote }}
{{- end }}

{{/* What the library chart is told of this app. */}}
{{- define "clickstream-streams.app" -}}
name: streams
ports:
  http: 8080
adminPort: http
preStopSeconds: 2
env:
  {{- include "clickstream-streams.env" . | nindent 2 }}
{{- end }}

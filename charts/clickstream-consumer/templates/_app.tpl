{{/* What the library chart is told of this app. */}}
{{- define "clickstream-consumer.app" -}}
name: consumer
ports:
  http: 8080
adminPort: http
preStopSeconds: 2
env:
  {{- include "clickstream-consumer.env" . | nindent 2 }}
{{- end }}

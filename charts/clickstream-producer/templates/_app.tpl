{{/* What the library chart is told of this app. */}}
{{- define "clickstream-producer.app" -}}
name: producer
ports:
  http: 8080
adminPort: http
preStopSeconds: 2
env:
  {{- include "clickstream-producer.env" . | nindent 2 }}
{{- end }}

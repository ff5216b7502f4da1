{{/* For the Prometheus operator; pods instead of the Service, so each replica is scraped. Takes context and app. */}}
{{- define "clickstream-library.podMonitor" -}}
{{- $context := .context -}}
{{- if $context.Values.podMonitor.enabled -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "clickstream-library.fullname" $context | quote }}
  labels:
    {{- include "clickstream-library.labels" $context | nindent 4 }}
    {{- with $context.Values.podMonitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "clickstream-library.selectorLabels" $context | nindent 6 }}
  podMetricsEndpoints:
    - port: {{ .app.adminPort }}
      path: /metrics
      interval: {{ $context.Values.podMonitor.interval | quote }}
{{- end }}
{{- end }}

{{/* For the Prometheus operator; pods and not the Service, so that each replica is scraped. */}}
{{- define "clickstream.podMonitor" -}}
{{- if .Values.podMonitor.enabled -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "clickstream.fullname" . }}
  labels:
    {{- include "clickstream.labels" . | nindent 4 }}
    {{- with .Values.podMonitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "clickstream.selectorLabels" . | nindent 6 }}
  podMetricsEndpoints:
    - port: {{ include "clickstream.adminPort" . }}
      path: /metrics
      interval: {{ .Values.podMonitor.interval }}
{{- end }}
{{- end }}

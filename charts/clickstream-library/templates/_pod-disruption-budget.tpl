{{/* A drain takes one replica at a time; one that is not ready anyway never holds up a drain. */}}
{{- define "clickstream.podDisruptionBudget" -}}
{{- if .Values.podDisruptionBudget.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "clickstream.fullname" . }}
  labels:
    {{- include "clickstream.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "clickstream.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}

{{/* A drain evicts one replica at a time; a pod that is not ready never blocks it. */}}
{{- define "clickstream-library.podDisruptionBudget" -}}
{{- if .Values.podDisruptionBudget.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "clickstream-library.fullname" . | quote }}
  labels:
    {{- include "clickstream-library.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "clickstream-library.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}

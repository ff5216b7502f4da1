{{/* An account of its own, without rights and without a token: the apps never talk to Kubernetes. */}}
{{- define "clickstream.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "clickstream.serviceAccountName" . }}
  labels:
    {{- include "clickstream.labels" . | nindent 4 }}
  {{- with .Values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
{{- end }}

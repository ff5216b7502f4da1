{{/* An account without permissions and without a token: the apps do not use the Kubernetes API. */}}
{{- define "clickstream-library.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "clickstream-library.serviceAccountName" . | quote }}
  labels:
    {{- include "clickstream-library.labels" . | nindent 4 }}
  {{- with .Values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
{{- end }}

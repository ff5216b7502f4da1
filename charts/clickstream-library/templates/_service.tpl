{{/* The app's HTTP port. */}}
{{- define "clickstream.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "clickstream.fullname" . }}
  labels:
    {{- include "clickstream.labels" . | nindent 4 }}
spec:
  selector:
    {{- include "clickstream.selectorLabels" . | nindent 4 }}
  ports:
    - name: http
      port: 8080
      targetPort: http
      appProtocol: http
{{- end }}

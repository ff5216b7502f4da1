{{/* The app's HTTP port. */}}
{{- define "clickstream-library.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "clickstream-library.fullname" . | quote }}
  labels:
    {{- include "clickstream-library.labels" . | nindent 4 }}
spec:
  selector:
    {{- include "clickstream-library.selectorLabels" . | nindent 4 }}
  ports:
    - name: http
      port: 8080
      targetPort: http
      appProtocol: http
{{- end }}

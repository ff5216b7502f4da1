{{/* An Ingress to the app's HTTP port, by the values in ingress. */}}
{{- define "clickstream-library.ingress" -}}
{{- with .Values.ingress -}}
{{- if .enabled -}}
{{- if not .hosts }}
{{- fail "ingress.hosts is empty: name the host that browsers send to, such as clicks.example.com" }}
{{- end -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ include "clickstream-library.fullname" $ | quote }}
  labels:
    {{- include "clickstream-library.labels" $ | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .className }}
  ingressClassName: {{ . | quote }}
  {{- end }}
  {{- with .tls }}
  tls:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- $paths := .paths }}
    {{- range .hosts }}
    - host: {{ . | quote }}
      http:
        paths:
          {{- range $paths }}
          - path: {{ . | quote }}
            pathType: Prefix
            backend:
              service:
                name: {{ include "clickstream-library.fullname" $ | quote }}
                port:
                  name: http
          {{- end }}
    {{- end }}
{{- end }}
{{- end }}
{{- end }}

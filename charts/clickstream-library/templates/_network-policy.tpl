{{/* Ingress: the app's ports. Egress: DNS, Kafka, and the app's own. Takes context and app. */}}
{{- define "clickstream-library.networkPolicy" -}}
{{- $context := .context -}}
{{- if $context.Values.networkPolicy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "clickstream-library.fullname" $context | quote }}
  labels:
    {{- include "clickstream-library.labels" $context | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "clickstream-library.selectorLabels" $context | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports:
        - port: {{ .app.ports.http }}
      {{- include "clickstream-library.admitted" $context | nindent 6 }}
    {{- if ne .app.adminPort "http" }}
    - ports:
        - port: {{ get .app.ports .app.adminPort }}
      {{- with $context.Values.networkPolicy.adminFrom }}
      from:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- with .app.ingress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  egress:
    {{- include "clickstream-library.kafkaEgress" $context | nindent 4 }}
    {{- with .app.egress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}

{{/* The peers of the HTTP port: all, or those in networkPolicy.from and the pod of `helm test`. */}}
{{- define "clickstream-library.admitted" -}}
{{- with .Values.networkPolicy.from -}}
from:
  {{- toYaml . | nindent 2 }}
  - podSelector:
      matchLabels:
        {{- include "clickstream-library.testLabels" $ | nindent 8 }}
{{- end }}
{{- end }}

{{/*
A NetworkPolicy names the ports of pods, not those of the Services in front of them. Brokers usually listen on the port
of their bootstrap address, which is the default.
*/}}
{{- define "clickstream-library.kafkaEgress" -}}
- ports:
    {{- range .Values.networkPolicy.dnsPorts }}
    - port: {{ int . }}
      protocol: UDP
    - port: {{ int . }}
      protocol: TCP
    {{- end }}
{{- $ports := .Values.networkPolicy.kafkaPorts }}
{{- range ternary (list) (splitList "," .Values.kafka.bootstrapServers) (not (empty $ports)) }}
{{- $ports = append $ports (splitList ":" . | last) }}
{{- end }}
- ports:
    {{- range $ports }}
    - port: {{ int . }}
    {{- end }}
  {{- with .Values.networkPolicy.kafka }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

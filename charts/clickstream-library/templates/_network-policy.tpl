{{/*
In: the app's ports. Out: DNS and Kafka. Brokers listen on the port of their bootstrap address, so its ports are Kafka's.
*/}}
{{- define "clickstream.networkPolicy" -}}
{{- if .Values.networkPolicy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "clickstream.fullname" . }}
  labels:
    {{- include "clickstream.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "clickstream.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- include "clickstream.ingressRules" . | nindent 4 }}
  egress:
    {{- include "clickstream.kafkaEgress" . | nindent 4 }}
{{- end }}
{{- end }}

{{/* Who may reach the HTTP port: everyone, or those in networkPolicy.from and the pod of `helm test`. */}}
{{- define "clickstream.admitted" -}}
{{- with .Values.networkPolicy.from -}}
from:
  {{- toYaml . | nindent 2 }}
  - podSelector:
      matchLabels:
        {{- include "clickstream.testLabels" $ | nindent 8 }}
{{- end }}
{{- end }}

{{- define "clickstream.kafkaEgress" -}}
- ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
- ports:
    {{- range splitList "," .Values.kafka.bootstrapServers }}
    - port: {{ splitList ":" . | last | int }}
    {{- end }}
  {{- with .Values.networkPolicy.kafka }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/*
In: the HTTP port. Out: DNS and Kafka. Brokers listen on the port of their bootstrap address, so its ports are Kafka's.
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
    - ports:
        - port: 8080
      {{- with .Values.networkPolicy.from }}
      from:
        {{- toYaml . | nindent 8 }}
      {{- end }}
  egress:
    {{- include "clickstream.kafkaEgress" . | nindent 4 }}
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

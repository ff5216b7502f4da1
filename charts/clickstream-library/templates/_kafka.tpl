{{/*
A pod's connection to Kafka: settings in the environment, secrets as files. The kubelet updates the files when Strimzi
rotates a password or renews a certificate, and the apps read them again at each new connection.
*/}}
{{- define "clickstream-library.kafkaEnv" -}}
{{- $kafka := .Values.kafka -}}
{{- $auth := $kafka.authentication -}}
{{- if and (eq $auth.type "tls") (not $kafka.tls.enabled) }}
{{- fail (printf "%s: set %s" "kafka.authentication.type=tls is a client certificate, which needs an encrypted listener"
      "kafka.tls.enabled=true and the TLS listener's address in kafka.bootstrapServers") }}
{{- end -}}
- name: KAFKA_BOOTSTRAP_SERVERS
  value: {{ $kafka.bootstrapServers | quote }}
- name: KAFKA_SECURITY_PROTOCOL
  value: {{ include "clickstream-library.kafkaSecurityProtocol" . }}
{{- if eq $auth.type "scram-sha-512" }}
- name: KAFKA_SASL_MECHANISM
  value: SCRAM-SHA-512
- name: KAFKA_SASL_USERNAME
  value: {{ $auth.username | default (include "clickstream-library.kafkaUserSecret" .) | quote }}
- name: KAFKA_SASL_PASSWORD_FILE
  value: /etc/kafka/user/password
{{- else if eq $auth.type "tls" }}
- name: KAFKA_SSL_CERTFILE
  value: /etc/kafka/user/user.crt
- name: KAFKA_SSL_KEYFILE
  value: /etc/kafka/user/user.key
{{- end }}
{{- if and $kafka.tls.enabled $kafka.tls.caSecret }}
- name: KAFKA_SSL_CAFILE
  value: /etc/kafka/ca/ca.crt
{{- end }}
{{- end }}

{{- define "clickstream-library.kafkaSecurityProtocol" -}}
{{- if eq .Values.kafka.authentication.type "scram-sha-512" -}}
{{ ternary "SASL_SSL" "SASL_PLAINTEXT" .Values.kafka.tls.enabled }}
{{- else -}}
{{ ternary "SSL" "PLAINTEXT" .Values.kafka.tls.enabled }}
{{- end }}
{{- end }}

{{/* Strimzi names a KafkaUser's Secret after the user, and the users are named after the releases. */}}
{{- define "clickstream-library.kafkaUserSecret" -}}
{{- $own := ternary .Release.Name (include "clickstream-library.fullname" .) .Chart.IsRoot -}}
{{- .Values.kafka.authentication.secret | default $own -}}
{{- end }}

{{- define "clickstream-library.kafkaVolumeMounts" -}}
{{- if and .Values.kafka.tls.enabled .Values.kafka.tls.caSecret }}
- name: kafka-ca
  mountPath: /etc/kafka/ca
  readOnly: true
{{- end }}
{{- if ne .Values.kafka.authentication.type "none" }}
- name: kafka-user
  mountPath: /etc/kafka/user
  readOnly: true
{{- end }}
{{- end }}

{{/* Only the keys that are needed; with 0440 and the pod's fsGroup only the app can read them. */}}
{{- define "clickstream-library.kafkaVolumes" -}}
{{- if and .Values.kafka.tls.enabled .Values.kafka.tls.caSecret }}
- name: kafka-ca
  secret:
    secretName: {{ .Values.kafka.tls.caSecret | quote }}
    defaultMode: 0440
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- if ne .Values.kafka.authentication.type "none" }}
- name: kafka-user
  secret:
    secretName: {{ include "clickstream-library.kafkaUserSecret" . | quote }}
    defaultMode: 0440
    items:
      {{- $scram := eq .Values.kafka.authentication.type "scram-sha-512" }}
      {{- range ternary (list "password") (list "user.crt" "user.key") $scram }}
      - key: {{ . }}
        path: {{ . }}
      {{- end }}
{{- end }}
{{- end }}

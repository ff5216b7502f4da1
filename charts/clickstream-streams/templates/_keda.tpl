{{/* KEDA reads the lag with the processor's own credentials, if Kafka requires any. */}}
{{- define "clickstream-streams.kedaCredentials" -}}
{{- $kafka := .Values.kafka -}}
{{- $user := include "clickstream-library.kafkaUserSecret" . -}}
{{- $secrets := list -}}
{{- if and $kafka.tls.enabled $kafka.tls.caSecret }}
{{- $secrets = append $secrets (dict "parameter" "ca" "name" $kafka.tls.caSecret "key" "ca.crt") }}
{{- end }}
{{- if eq $kafka.authentication.type "scram-sha-512" }}
{{- $secrets = append $secrets (dict "parameter" "password" "name" $user "key" "password") }}
{{- else if eq $kafka.authentication.type "tls" }}
{{- $secrets = append $secrets (dict "parameter" "cert" "name" $user "key" "user.crt") }}
{{- $secrets = append $secrets (dict "parameter" "key" "name" $user "key" "user.key") }}
{{- end }}
{{- with $secrets -}}
secretTargetRef:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if eq $kafka.authentication.type "scram-sha-512" }}
# Strimzi's Secret does not contain the user name; the processor's environment does.
env:
  - parameter: username
    name: KAFKA_SASL_USERNAME
    containerName: streams
{{- end }}
{{- end }}

{{- define "clickstream-collector.env" -}}
- name: EVENTS_TOPIC
  value: {{ .Values.topics.events | quote }}
- name: DEAD_LETTER_TOPIC
  value: {{ .Values.topics.deadLetters | quote }}
- name: ALLOWED_ORIGINS
  value: {{ join "," .Values.allowedOrigins | quote }}
{{- with .Values.siteKeys }}
- name: SITE_KEYS
  value: {{ join "," . | quote }}
{{- end }}
- name: LIMIT
  value: {{ include "clickstream-collector.limit" .Values.limit | quote }}
- name: SITE_LIMIT
  value: {{ include "clickstream-collector.limit" .Values.siteLimit | quote }}
- name: BYTES_PER_EVENT
  value: {{ include "clickstream-collector.limit" .Values.bytesPerEvent | quote }}
{{- with .Values.trustedProxies }}
- name: TRUSTED_PROXIES
  value: {{ join "," . | quote }}
{{- end }}
- name: COUNTRY_HEADERS
  value: {{ join "," .Values.countryHeaders | quote }}
- name: BOTS
  value: {{ .Values.bots | quote }}
{{- with .Values.keptQueryParameters }}
- name: KEPT_QUERY_PARAMETERS
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}

{{/* A number without an exponent, or off, which YAML reads as false. */}}
{{- define "clickstream-collector.limit" -}}
{{- if has (toString .) (list "off" "false") }}off
{{- else if eq (float64 .) (int64 . | float64) }}{{ int64 . }}
{{- else }}{{ . }}
{{- end }}
{{- end }}

{{- define "clickstream-producer.env" -}}
- name: EVENTS_TOPIC
  value: {{ .Values.topics.events | quote }}
- name: RATE
  value: {{ .Values.rate | quote }}
- name: USERS
  value: {{ .Values.users | int64 | quote }}
{{- with .Values.duration }}
- name: DURATION
  value: {{ . | quote }}
{{- end }}
{{- if not (kindIs "invalid" .Values.seed) }}
- name: SEED
  value: {{ .Values.seed | int64 | quote }}
{{- end }}
{{- end }}

{{/* The settings that decide what is counted where: replicas that differ in them must not run side by side. */}}
{{- define "clickstream-streams.countingRules" -}}
WINDOW_SIZE: {{ .Values.windowSize | quote }}
WINDOW_TIME: {{ .Values.windowTime | quote }}
MAX_CLOCK_SKEW: {{ .Values.maxClockSkew | quote }}
{{- end }}

{{- define "clickstream-streams.env" -}}
- name: EVENTS_TOPIC
  value: {{ .Values.topics.events | quote }}
- name: METRICS_TOPIC
  value: {{ .Values.topics.metrics | quote }}
- name: PARTIALS_TOPIC
  value: {{ .Values.topics.partials | quote }}
- name: DEAD_LETTER_TOPIC
  value: {{ .Values.topics.deadLetters | quote }}
- name: GROUP_ID
  value: {{ .Values.groupId | quote }}
{{- range $name, $value := include "clickstream-streams.countingRules" . | fromYaml }}
- name: {{ $name | quote }}
  value: {{ $value | quote }}
{{- end }}
- name: OUT_OF_ORDERNESS
  value: {{ .Values.outOfOrderness | quote }}
- name: ALLOWED_LATENESS
  value: {{ .Values.allowedLateness | quote }}
- name: IDLE_TIMEOUT
  value: {{ .Values.idleTimeout | quote }}
- name: COMMIT_INTERVAL
  value: {{ .Values.commitInterval | quote }}
- name: REVISION_INTERVAL
  value: {{ .Values.revisionInterval | quote }}
- name: EXACT_LIMIT
  value: {{ .Values.exactLimit | int64 | quote }}
{{- end }}

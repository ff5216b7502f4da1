{{/* The app, in the fields that the library chart's _pod.tpl describes. */}}
{{- define "clickstream-producer.app" -}}
name: producer
ports:
  http: 8080
adminPort: http
preStopSeconds: 2
check: {module: clickstream_core.check, metric: clickstream_producer_events_acknowledged_total}
env:
  - name: EVENTS_TOPIC
    value: {{ .Values.topics.events | quote }}
  - name: KIND
    value: {{ .Values.kind | quote }}
  {{- if eq .Values.kind "access-log" }}
  - name: ACCESS_LOGS_TOPIC
    value: {{ .Values.topics.accessLogs | quote }}
  - name: SCENARIO_IDS
    value: "{{ range $at, $id := .Values.scenarioIds }}{{ if $at }},{{ end }}{{ int64 $id }}{{ end }}"
  {{- end }}
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

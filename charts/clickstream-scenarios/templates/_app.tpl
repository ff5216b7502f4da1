{{/* The stream, in the fields that the library chart's _pod.tpl describes. */}}
{{- define "clickstream-scenarios.app" -}}
name: scenarios
ports:
  http: 8080
adminPort: http
preStopSeconds: 2
# Ready means that all partitions of the replica are read.
check: {module: clickstream_core.check}
env:
  - name: GROUP_ID
    value: {{ .Values.groupId | quote }}
  - name: SCENARIO_RESULTS_TOPIC
    value: {{ .Values.topics.results | quote }}
  - name: DEAD_LETTER_TOPIC
    value: {{ .Values.topics.deadLetters | quote }}
  {{- include "clickstream-scenarios.inputEnv" . | nindent 2 }}
fileEnv:
  {{- include "clickstream-scenarios.storeEnv" . | nindent 2 }}
volumeMounts:
  {{- include "clickstream-scenarios.storeVolumeMounts" . | nindent 2 }}
volumes:
  {{- include "clickstream-scenarios.storeVolumes" . | nindent 2 }}
egress:
  {{- include "clickstream-scenarios.egress" . | nindent 2 }}
{{- end }}

{{- define "clickstream-scenarios.inputEnv" -}}
- name: ACCESS_LOGS_TOPIC
  value: {{ .Values.topics.accessLogs | quote }}
- name: EVENTS_TOPIC
  value: {{ .Values.topics.events | quote }}
{{- end }}

{{- define "clickstream-scenarios.egress" -}}
- ports:
    - port: {{ int .Values.database.port }}
    {{- if .Values.redis.secret }}
    - port: {{ int .Values.redis.port }}
    {{- end }}
{{- end }}

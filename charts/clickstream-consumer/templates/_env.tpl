{{- define "clickstream-consumer.env" -}}
- name: METRICS_TOPIC
  value: {{ .Values.topics.metrics | quote }}
- name: GROUP_ID
  value: {{ .Values.groupId | quote }}
- name: PROCESSOR_GROUP
  value: {{ .Values.processorGroup | quote }}
- name: DASHBOARD_LANGUAGE
  value: {{ .Values.dashboardLanguage | quote }}
{{- end }}

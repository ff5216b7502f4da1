{{- define "clickstream.env" -}}
- name: METRICS_TOPIC
  value: {{ .Values.topics.metrics | quote }}
- name: GROUP_ID
  value: {{ .Values.groupId | quote }}
- name: DASHBOARD_LANGUAGE
  value: {{ .Values.dashboardLanguage }}
{{- end }}

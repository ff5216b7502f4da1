{{/* The app, in the fields that the library chart's _pod.tpl describes. */}}
{{- define "clickstream-consumer.app" -}}
name: consumer
ports:
  http: 8080
adminPort: http
preStopSeconds: 2
check: {module: clickstream_consumer.check}
env:
  - name: METRICS_TOPIC
    value: {{ .Values.topics.metrics | quote }}
  - name: GROUP_ID
    value: {{ .Values.groupId | quote }}
  - name: PROCESSOR_GROUP
    value: {{ .Values.processorGroup | quote }}
  - name: DASHBOARD_LANGUAGE
    value: {{ .Values.dashboardLanguage | quote }}
  {{- with .Values.trustedProxies | default (ternary (list "private") (list) .Values.httpRoute.enabled) }}
  - name: TRUSTED_PROXIES
    value: {{ join "," . | quote }}
  {{- end }}
{{- end }}

{{/* The app, in the fields that the library chart's _pod.tpl describes. */}}
{{- define "clickstream-streams.app" -}}
name: streams
ports:
  http: 8080
adminPort: http
preStopSeconds: 2
# A watermark rises with events and, after IDLE_TIMEOUT without any, with the clock; while it stands, no window closes.
check: {module: clickstream_core.check, metric: clickstream_streams_watermark_timestamp_seconds}
env:
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
  # Replicas that differ in one of these three must not run side by side: strategy.
  - name: WINDOW_SIZE
    value: {{ .Values.windowSize | quote }}
  - name: WINDOW_TIME
    value: {{ .Values.windowTime | quote }}
  - name: MAX_CLOCK_SKEW
    value: {{ .Values.maxClockSkew | quote }}
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
  - name: COUNTING
    value: {{ .Values.counting | quote }}
{{- end }}

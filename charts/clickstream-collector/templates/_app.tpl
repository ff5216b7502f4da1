{{/* The app, in the fields that the library chart's _pod.tpl describes. */}}
{{- define "clickstream-collector.app" -}}
name: collector
ports:
  admin: 8081
  http: 8080
adminPort: admin
preStopSeconds: {{ .Values.preStopSeconds }}
check: {module: clickstream_collector.check}
env:
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
fileEnv:
  - name: VISITOR_SECRET_FILE
    value: /etc/clickstream/visitors/secret
  {{- with .Values.countryDatabase.path }}
  - name: COUNTRY_DATABASE
    value: {{ . | quote }}
  {{- end }}
volumeMounts:
  - name: visitors
    mountPath: /etc/clickstream/visitors
    readOnly: true
  {{- if .Values.countryDatabase.volume }}
  - name: country
    mountPath: /country
    readOnly: true
  {{- end }}
volumes:
  - name: visitors
    secret:
      secretName: {{ include "clickstream-collector.visitorSecret" . | quote }}
      defaultMode: 0440
      items:
        - key: {{ .Values.visitorSecret.key | quote }}
          path: secret
  {{- with .Values.countryDatabase }}
  {{- if and .volume (not (hasPrefix "/country/" .path)) }}
  {{- fail "countryDatabase.volume is mounted on /country: name the file in it, such as countryDatabase.path=/country/country.mmdb" }}
  {{- end }}
  {{- with .volume }}
  - name: country
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
# Over zones, then over nodes, for each revision by itself; a pod that would be uneven is scheduled anyway.
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "clickstream-library.selectorLabels" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}

{{- define "clickstream-collector.visitorSecret" -}}
{{- .Values.visitorSecret.name | default (printf "%s-visitors" (include "clickstream-library.fullname" .)) -}}
{{- end }}

{{/* A number without an exponent, or off, which YAML reads as false. */}}
{{- define "clickstream-collector.limit" -}}
{{- if has (toString .) (list "off" "false") }}off
{{- else if eq (float64 .) (int64 . | float64) }}{{ int64 . }}
{{- else }}{{ . }}
{{- end }}
{{- end }}

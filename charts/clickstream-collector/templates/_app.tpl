{{/* What the library chart is told of this app. */}}
{{- define "clickstream-collector.app" -}}
name: collector
ports:
  admin: 8081
  http: 8080
adminPort: admin
preStopSeconds: {{ .Values.preStopSeconds }}
env:
  {{- include "clickstream-collector.env" . | nindent 2 }}
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
{{- with include "clickstream-collector.visitorChecksum" . }}
checksums:
  {{- . | nindent 2 }}
{{- end }}
# Over zones, then over nodes, each revision by itself; a pod that would make it uneven still runs.
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

{{/* Replicas that differ in it would count a visitor twice, so another one replaces the pods. The chart's own stays. */}}
{{- define "clickstream-collector.visitorChecksum" -}}
{{- with .Values.visitorSecret }}
{{- if .name }}
{{- with lookup "v1" "Secret" $.Release.Namespace .name -}}
checksum/visitor-secret: {{ index (.data | default dict) $.Values.visitorSecret.key | default "" | sha256sum | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "clickstream-collector.visitorSecret" -}}
{{- .Values.visitorSecret.name | default (printf "%s-visitors" (include "clickstream-library.fullname" .)) -}}
{{- end }}

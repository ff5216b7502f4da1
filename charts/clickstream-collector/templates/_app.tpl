{{/* How the collector differs from the other apps: what the library chart asks for, answered anew. */}}

{{- define "clickstream.ports" -}}
admin: 8081
http: 8080
{{- end }}

{{- define "clickstream.adminPort" -}}
admin
{{- end }}

{{- define "clickstream.ingressRules" -}}
- ports:
    - port: 8080
  {{- with include "clickstream.admitted" . }}
  {{- . | nindent 2 }}
  {{- end }}
- ports:
    - port: 8081
  {{- with .Values.networkPolicy.adminFrom }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "clickstream.preStopSeconds" -}}
{{ .Values.preStopSeconds }}
{{- end }}

{{/* Over zones, then over nodes, each revision by itself; a pod that would make it uneven still runs. */}}
{{- define "clickstream.topologySpread" -}}
{{- if .Values.topologySpreadConstraints }}
{{- toYaml .Values.topologySpreadConstraints }}
{{- else }}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- topologyKey: {{ . }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "clickstream.selectorLabels" $ | nindent 6 }}
  matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- end }}

{{- define "clickstream.fileEnv" -}}
- name: VISITOR_SECRET_FILE
  value: /etc/clickstream/visitors/secret
{{- with .Values.countryDatabase.path }}
- name: COUNTRY_DATABASE
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "clickstream.fileVolumeMounts" -}}
- name: visitors
  mountPath: /etc/clickstream/visitors
  readOnly: true
{{- if .Values.countryDatabase.volume }}
- name: country
  mountPath: /country
  readOnly: true
{{- end }}
{{- end }}

{{- define "clickstream.fileVolumes" -}}
- name: visitors
  secret:
    secretName: {{ include "collector.visitorSecret" . }}
    defaultMode: 0440
    items:
      - key: {{ .Values.visitorSecret.key }}
        path: secret
{{- with .Values.countryDatabase }}
{{- if and .volume (not (hasPrefix "/country/" .path)) }}
{{- fail "countryDatabase.volume is mounted on /country: name the file in it, such as countryDatabase.path=/country/country.mmdb" }}
{{- end }}
{{- with .volume }}
- name: country
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Replicas that differ in it would count a visitor twice, so another one replaces the pods. The chart's own stays. */}}
{{- define "clickstream.fileChecksums" -}}
{{- with .Values.visitorSecret }}
{{- if .name }}
{{- with lookup "v1" "Secret" $.Release.Namespace .name }}
checksum/visitor-secret: {{ index (.data | default dict) $.Values.visitorSecret.key | default "" | sha256sum }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "collector.visitorSecret" -}}
{{- .Values.visitorSecret.name | default (printf "%s-visitors" (include "clickstream.fullname" .)) -}}
{{- end }}

{{/*
What an app may have of its own. A chart that defines one of these again is heard: Helm reads the templates of a chart
after those of the charts it depends on. "clickstream.env", the app's settings, every chart has to define.
*/}}

{{/* Each port of the container with its number. */}}
{{- define "clickstream.ports" -}}
http: 8080
{{- end }}

{{/* The port that serves /healthz, /readyz and /metrics. */}}
{{- define "clickstream.adminPort" -}}
http
{{- end }}

{{/* Who may come in, as the rules of a NetworkPolicy. */}}
{{- define "clickstream.ingressRules" -}}
- ports:
    - port: 8080
  {{- with include "clickstream.admitted" . }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* How many seconds the app still answers after its pod was told to end. */}}
{{- define "clickstream.preStopSeconds" -}}
2
{{- end }}

{{- define "clickstream.topologySpread" -}}
{{- with .Values.topologySpreadConstraints }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{/* Files that the app's pod has beside those for Kafka, the settings that name them, and their sums as annotations. */}}
{{- define "clickstream.fileEnv" -}}
{{- end }}

{{- define "clickstream.fileVolumeMounts" -}}
{{- end }}

{{- define "clickstream.fileVolumes" -}}
{{- end }}

{{- define "clickstream.fileChecksums" -}}
{{- end }}

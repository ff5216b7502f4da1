{{/* The label app.kubernetes.io/name. */}}
{{- define "clickstream-library.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/*
A chart that is installed by itself uses its release's name, so that `kubectl logs deployment/RELEASE` works. Below a
parent chart, where several charts share a release, and with nameOverride the name is RELEASE-NAME, without repeating a
common prefix: release clickstream has the Deployment clickstream-consumer.
*/}}
{{- define "clickstream-library.fullname" -}}
{{- $name := include "clickstream-library.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if or (and .Chart.IsRoot (not .Values.nameOverride)) (contains $name .Release.Name) -}}
{{- .Release.Name -}}
{{- else if hasPrefix (printf "%s-" .Release.Name) $name -}}
{{- $name -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "clickstream-library.serviceAccountName" -}}
{{- $own := ternary (include "clickstream-library.fullname" .) "default" .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default $own -}}
{{- end }}

{{/* The image, by digest if one is given, else by tag; the tag defaults to the apps' version. */}}
{{- define "clickstream-library.image" -}}
{{- $image := .Values.image -}}
{{- $name := list $image.registry $image.repository | compact | join "/" -}}
{{- if $image.digest -}}
{{ $name }}@{{ $image.digest }}
{{- else -}}
{{ $name }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{/* The label app.kubernetes.io/name. */}}
{{- define "clickstream-library.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/*
A chart that is installed by itself is called like its release, so `kubectl logs deployment/RELEASE` needs no looking
up. Under a parent chart, where several have one release, and with nameOverride it is RELEASE-NAME, without what the two
have in common: release clickstream has the Deployment clickstream-consumer.
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

{{/* The image by digest where one is given, else by tag; the tag defaults to the version of the apps. */}}
{{- define "clickstream-library.image" -}}
{{- $image := .Values.image -}}
{{- $name := list $image.registry $image.repository | compact | join "/" -}}
{{- if $image.digest -}}
{{ $name }}@{{ $image.digest }}
{{- else -}}
{{ $name }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

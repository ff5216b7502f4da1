{{/* The app's name: producer, streams, consumer. */}}
{{- define "clickstream.name" -}}
{{- trimPrefix "clickstream-" .Chart.Name -}}
{{- end }}

{{/* Everything is called like its release, so `kubectl logs deployment/RELEASE` needs no looking up. */}}
{{- define "clickstream.fullname" -}}
{{- .Release.Name -}}
{{- end }}

{{- define "clickstream.serviceAccountName" -}}
{{- $own := ternary (include "clickstream.fullname" .) "default" .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default $own -}}
{{- end }}

{{/* The image by digest where one is given, else by tag; the tag defaults to the version of the apps. */}}
{{- define "clickstream.image" -}}
{{- $image := .Values.image -}}
{{- $name := list $image.registry $image.repository | compact | join "/" -}}
{{- if $image.digest -}}
{{ $name }}@{{ $image.digest }}
{{- else -}}
{{ $name }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

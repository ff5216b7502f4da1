{{/*
Replicas with different counting rules do not run side by side: such a change recreates, any other rolls. What runs now
is in the environment of the live Deployment. Where the cluster cannot be asked (helm template, Argo CD) and at the
first install it is not known, and recreating is always right.
*/}}
{{- define "clickstream-streams.strategy" -}}
{{- $strategy := .Values.strategy }}
{{- if eq $strategy "auto" }}
{{- $strategy = "Recreate" }}
{{- with lookup "apps/v1" "Deployment" .Release.Namespace (include "clickstream-library.fullname" .) }}
{{- $rules := include "clickstream-streams.countingRules" $ | fromYaml }}
{{- $unchanged := dict }}
{{- range (index .spec.template.spec.containers 0).env }}
{{- if and (hasKey $rules .name) (eq (.value | default "") (get $rules .name)) }}
{{- $_ := set $unchanged .name true }}
{{- end }}
{{- end }}
{{- if eq (len $unchanged) (len $rules) }}
{{- $strategy = "RollingUpdate" }}
{{- end }}
{{- end }}
{{- end -}}
type: {{ $strategy }}
{{- if eq $strategy "RollingUpdate" }}
rollingUpdate:
  # The old pod stays until the new one is restored and ready, and `helm upgrade --wait` waits for that.
  maxSurge: 1
  maxUnavailable: 0
{{- end }}
{{- end }}

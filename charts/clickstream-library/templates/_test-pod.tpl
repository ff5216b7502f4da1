{{/*
The pod of `helm test`: the app's own image, security, settings and way to Kafka, running app.check. Its own labels keep
it out of the Service; with NetworkPolicies it has one of its own while it runs. Takes context and app.
*/}}
{{- define "clickstream-library.testPod" -}}
{{- $context := .context -}}
{{- $values := .context.Values -}}
{{- $app := include "clickstream-library.fullname" $context -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ printf "%s-test" $app | quote }}
  labels:
    {{- include "clickstream-library.testLabels" $context | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  {{- include "clickstream-library.podSecurity" . | nindent 2 }}
  containers:
    - name: check
      image: {{ include "clickstream-library.image" $context | quote }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      securityContext:
        {{- include "clickstream-library.containerSecurityContext" . | nindent 8 }}
      command: [python, -m]
      args:
        - {{ .app.check.module }}
        - {{ printf "http://%s:8080" $app | quote }}
        {{- with .app.check.metric }}
        - {{ . }}
        {{- end }}
      env:
        {{- include "clickstream-library.kafkaEnv" $context | nindent 8 }}
        {{- toYaml .app.env | nindent 8 }}
        {{- with $values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      resources:
        requests:
          cpu: 50m
          memory: 64Mi
        limits:
          memory: 256Mi
      {{- with include "clickstream-library.kafkaVolumeMounts" $context }}
      volumeMounts:
        {{- trim . | nindent 8 }}
      {{- end }}
  {{- with include "clickstream-library.kafkaVolumes" $context }}
  volumes:
    {{- trim . | nindent 4 }}
  {{- end }}
{{- if $values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ printf "%s-test" $app | quote }}
  labels:
    {{- include "clickstream-library.testLabels" $context | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-weight: "-1"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  podSelector:
    matchLabels:
      {{- include "clickstream-library.testLabels" $context | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "clickstream-library.kafkaEgress" $context | nindent 4 }}
    - ports:
        - port: 8080
      to:
        - podSelector:
            matchLabels:
              {{- include "clickstream-library.selectorLabels" $context | nindent 14 }}
{{- end }}
{{- end }}

{{- define "clickstream-library.testLabels" -}}
app.kubernetes.io/name: {{ printf "%s-test" (include "clickstream-library.name" .) | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/part-of: clickstream
{{- end }}

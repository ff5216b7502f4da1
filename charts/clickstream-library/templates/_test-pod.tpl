{{/*
The pod of `helm test`: the app's own image, security and way to Kafka, running the check in files/check.py. Its own
labels keep it out of the Service, and where NetworkPolicies are on, it gets one of its own for as long as it runs.
*/}}
{{- define "clickstream.testPod" -}}
{{- $name := printf "%s-test" (include "clickstream.fullname" .) -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ $name }}
  labels:
    {{- include "clickstream.testLabels" . | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  {{- include "clickstream.podSecurity" . | nindent 2 }}
  containers:
    - name: check
      image: {{ include "clickstream.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      securityContext:
        {{- include "clickstream.containerSecurityContext" . | nindent 8 }}
      command: [python, -c]
      args:
        - {{ .Files.Get "files/check.py" | toJson }}
        - http://{{ include "clickstream.fullname" . }}:8080
      env:
        {{- include "clickstream.kafkaEnv" . | nindent 8 }}
        {{- include "clickstream.env" . | nindent 8 }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      resources:
        requests:
          cpu: 50m
          memory: 64Mi
        limits:
          memory: 256Mi
      {{- with include "clickstream.kafkaVolumeMounts" . }}
      volumeMounts:
        {{- trim . | nindent 8 }}
      {{- end }}
  {{- with include "clickstream.kafkaVolumes" . }}
  volumes:
    {{- trim . | nindent 4 }}
  {{- end }}
{{- if .Values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $name }}
  labels:
    {{- include "clickstream.testLabels" . | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-weight: "-1"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  podSelector:
    matchLabels:
      {{- include "clickstream.testLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "clickstream.kafkaEgress" . | nindent 4 }}
    - ports:
        - port: 8080
      to:
        - podSelector:
            matchLabels:
              {{- include "clickstream.selectorLabels" . | nindent 14 }}
{{- end }}
{{- end }}

{{- define "clickstream.testLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/part-of: clickstream
{{- end }}

{{/* The app, in the fields that the library chart's _pod.tpl describes: what serves the jobs' results. */}}
{{- define "clickstream-archive.app" -}}
name: archive
args: [serve]
ports:
  http: 8080
adminPort: http
preStopSeconds: 2
# Ready means that catalog and storage answer.
check: {module: clickstream_core.check}
env:
  {{- include "clickstream-archive.env" . | nindent 2 }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
volumes:
  - name: tmp
    emptyDir: {}
egress:
  {{- include "clickstream-archive.egress" . | nindent 2 }}
{{- end }}

{{/* Where the archive is, for the server and for the jobs. The tests for `$(...)` are the kubelet's. */}}
{{- define "clickstream-archive.env" -}}
- name: EVENTS_TOPIC
  value: {{ .Values.topics.events | quote }}
- name: METRICS_TOPIC
  value: {{ .Values.topics.metrics | quote }}
- name: DEAD_LETTER_TOPIC
  value: {{ .Values.topics.deadLetters | quote }}
{{- with .Values.processor.groupId }}
- name: GROUP_ID
  value: {{ . | quote }}
{{- end }}
- name: CATALOG_TYPE
  value: {{ .Values.catalog.type | quote }}
{{- if eq .Values.catalog.type "rest" }}
- name: CATALOG_URI
  value: {{ .Values.catalog.uri | quote }}
{{- end }}
- name: WAREHOUSE
  value: {{ .Values.catalog.warehouse | quote }}
- name: S3_ENDPOINT
  value: {{ .Values.s3.endpoint | default "auto" | quote }}
- name: S3_REGION
  value: {{ .Values.s3.region | quote }}
{{- with .Values.s3.secret }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef:
      name: {{ . | quote }}
      key: AWS_ACCESS_KEY_ID
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef:
      name: {{ . | quote }}
      key: AWS_SECRET_ACCESS_KEY
{{- end }}
{{- if eq .Values.catalog.type "rest" }}
{{- if .Values.catalog.secret }}
- name: CATALOG_CREDENTIAL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.catalog.secret | quote }}
      key: credential
{{- else if .Values.s3.secret }}
# The kubelet puts the two variables above in.
- name: CATALOG_CREDENTIAL
  value: $(AWS_ACCESS_KEY_ID):$(AWS_SECRET_ACCESS_KEY)
{{- end }}
{{- end }}
{{- end }}

{{/* Storage and catalog: the ports of their addresses, that of Amazon's services, and EKS's agent for pod identity. */}}
{{- define "clickstream-archive.egress" -}}
{{- $ports := list }}
{{- range list .Values.s3.endpoint (ternary .Values.catalog.uri "" (eq .Values.catalog.type "rest")) .Values.catalog.warehouse }}
{{- $port := regexFind ":[0-9]+" . | trimPrefix ":" }}
{{- if $port }}
{{- $ports = append $ports (int $port) }}
{{- else if hasPrefix "http:" . }}
{{- $ports = append $ports 80 }}
{{- else if or (hasPrefix "https:" .) (and (hasPrefix "s3:" .) (not $.Values.s3.endpoint)) }}
{{- $ports = append $ports 443 }}
{{- end }}
{{- end }}
- ports:
    {{- range concat $ports .Values.storagePorts | uniq }}
    - port: {{ int . }}
    {{- end }}
{{- if not .Values.s3.secret }}
- ports:
    - port: 80
  to:
    - ipBlock:
        cidr: 169.254.170.23/32
{{- end }}
{{- end }}

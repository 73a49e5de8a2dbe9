{{- define "chestline.name" -}}
{{- if contains "chestline" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-chestline" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "chestline.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: chestline
{{ include "chestline.selector" . }}
{{- end }}

{{- define "chestline.selector" -}}
app.kubernetes.io/name: chestline
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* The image of a name: as it is where it has a digest, otherwise with the tag. */}}
{{- define "chestline.image" -}}
{{- $root := index . 0 }}{{- $name := index . 1 }}
{{- $tag := ternary "" (printf ":%s" (default $root.Chart.AppVersion $root.Values.image.tag)) (contains "@" $name) }}
{{- printf "%s%s%s" $root.Values.image.registry $name $tag | quote }}
{{- end }}

{{- define "chestline.pod" -}}
automountServiceAccountToken: false
serviceAccountName: {{ include "chestline.name" . }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "chestline.container" -}}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
envFrom:
  - configMapRef: {name: {{ include "chestline.name" . }}}
{{- with .Values.storage.credentialsSecret }}
  - secretRef: {name: {{ . }}}
{{- end }}
{{- end }}

{{- /* What every process mounts: secrets as files, a place to write in, and the shared storage. */}}
{{- define "chestline.mounts" -}}
- {name: secrets, mountPath: /run/secrets/chestline, readOnly: true}
- {name: scratch, mountPath: /tmp, subPath: tmp}
- {name: scratch, mountPath: /var/lib/chestline, subPath: var}
{{- if not .Values.storage.url }}
- {name: storage, mountPath: /var/lib/chestline/storage}
{{- end }}
{{- end }}

{{- define "chestline.volumes" -}}
{{- $root := index . 0 }}{{- $withOwner := index . 1 }}{{- $scratch := index . 2 }}
- name: secrets
  secret:
    secretName: {{ $root.Values.existingSecret }}
    # Read by the group of the processes.
    defaultMode: 0440
    items:
      - {key: database_url, path: database_url}
      - {key: broker_url, path: broker_url}
      - {key: secret_key, path: secret_key}
      - {key: audit_key, path: audit_key}
      {{- if $root.Values.oldKeys }}
      - {key: audit_old_keys, path: audit_old_keys}
      - {key: secret_key_fallbacks, path: secret_key_fallbacks}
      {{- end }}
      {{- if $withOwner }}
      - {key: database_owner_url, path: database_owner_url}
      {{- end }}
- name: scratch
  emptyDir: {sizeLimit: {{ $scratch }}}
{{- if not $root.Values.storage.url }}
- name: storage
  persistentVolumeClaim: {claimName: {{ default (printf "%s-storage" (include "chestline.name" $root)) $root.Values.storage.volume.existingClaim }}}
{{- end }}
{{- end }}

{{- /* The name that browsers ask for, or nothing where the chart does not bring HTTPS. */}}
{{- define "chestline.host" -}}
{{- if and .Values.ingress.enabled .Values.proxy.enabled }}
{{- fail "ingress.enabled and proxy.enabled: browsers reach the portal through one of them" }}
{{- end }}
{{- if .Values.ingress.enabled }}{{ required "ingress.host is needed with ingress.enabled" .Values.ingress.host }}{{ end }}
{{- if .Values.proxy.enabled }}{{ required "proxy.host is needed with proxy.enabled" .Values.proxy.host }}{{ end }}
{{- end }}

{{- /* Pods are replaced when a setting has changed. */}}
{{- define "chestline.settingsChecksum" -}}
checksum/settings: {{ include (print $.Template.BasePath "/settings.yaml") . | sha256sum }}
{{- end }}

{{- /* Keeps a pod from starting before the database has every migration of its release. */}}
{{- define "chestline.waitForDatabase" -}}
{{- $root := index . 0 }}
- name: wait-for-database
  image: {{ include "chestline.image" . }}
  {{- include "chestline.container" $root | nindent 2 }}
  command: [sh, -c, "until python manage.py migrate --check >/dev/null 2>&1; do sleep 3; done"]
  resources:
    requests: {cpu: 100m, memory: 256Mi}
    limits: {memory: 512Mi}
  volumeMounts: {{- include "chestline.mounts" $root | nindent 4 }}
{{- end }}

{{- /* Pods of a component are spread over the nodes where that is possible. */}}
{{- define "chestline.spread" -}}
{{- $root := index . 0 }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "chestline.selector" $root | nindent 8 }}
        app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

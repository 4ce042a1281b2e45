package fleet

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"lastack/bench/lazy"
	"lastack/sockstate"
)

// safeSysctls are those that a pod may set without the cluster's consent, and the version of Kubernetes since which
// (https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/).
var safeSysctls = map[string]string{
	"net.ipv4.ip_local_port_range":        "1.4",
	"net.ipv4.tcp_syncookies":             "1.4",
	"net.ipv4.ping_group_range":           "1.21",
	"net.ipv4.ip_unprivileged_port_start": "1.22",
	"net.ipv4.ip_local_reserved_ports":    "1.27",
	"net.ipv4.tcp_keepalive_time":         "1.29",
	"net.ipv4.tcp_fin_timeout":            "1.29",
	"net.ipv4.tcp_keepalive_intvl":        "1.29",
	"net.ipv4.tcp_keepalive_probes":       "1.29",
	"net.ipv4.tcp_rmem":                   "1.32",
	"net.ipv4.tcp_wmem":                   "1.32",
}

// What a pod is made of unless told otherwise. DefaultImage is what .dist/Dockerfile's comment calls the image.
const (
	DefaultImage  = "lastack"
	DefaultCPUs   = 2
	DefaultMemory = "1Gi"
)

var (
	imageOf  = lazy.Regexp(`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`)
	memoryOf = lazy.Regexp(`^[1-9][0-9]*(Mi|Gi|Ti|M|G|T)$`)
)

func (s *Spec) checkKubernetes() error {
	switch {
	case !imageOf().MatchString(s.Image):
		return sockstate.BadValue("image", s.Image, "want the name of an image, like registry.example/lastack:1.0")
	case s.CPUs < 1 || s.CPUs > 1024:
		return sockstate.BadValue("cpus", s.CPUs, "want 1 to 1024 whole CPUs for each pod")
	case !memoryOf().MatchString(s.Memory):
		return sockstate.BadValue("memory", s.Memory, "want a quantity like 512Mi or 4Gi")
	case s.Program != DefaultProgram:
		return sockstate.BadValue("program", s.Program, "a pod runs what its image has: leave the flag out")
	case len(s.Hosts) > 0:
		return sockstate.BadValue("hosts", strings.Join(s.Hosts, ","), "Kubernetes chooses the nodes: leave the flag out")
	case s.Collect != "" && !nameOf().MatchString(s.Collect):
		return sockstate.BadValue("collect", s.Collect, "want the name of a PersistentVolumeClaim that several pods can write (ReadWriteMany)")
	}
	return nil
}

// quoteYAML is a string of YAML: those of JSON are.
func quoteYAML(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // a string cannot fail
	}
	return string(b)
}

// kubernetes are the manifests. In the arguments of a container $(NAME) is a variable of its environment, and $$ is a dollar.
func (s *Spec) kubernetes() string {
	var b strings.Builder
	args := []string{"run"}
	for _, a := range s.Run {
		args = append(args, strings.ReplaceAll(a, "$", "$$"))
	}
	args = append(args, "--shard", fmt.Sprint(s.N), "--rendezvous", fmt.Sprintf("%s-0.%s:%d", s.Name, s.Name, s.Port), "--rendezvous-timeout", "10m", "-q")
	args = append(args, "--format", "json")
	if s.Collect != "" {
		args = append(args, "-o", "/records/"+s.Name+"-$(JOB_COMPLETION_INDEX).json")
	}
	s.explain(&b)
	fmt.Fprintf(&b, `apiVersion: v1
kind: Secret
metadata:
  name: %[1]s
stringData:
  token: %[2]s
---
# Names for the pods, so that they find shard 0, also before it is ready.
apiVersion: v1
kind: Service
metadata:
  name: %[1]s
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    job-name: %[1]s
---
apiVersion: batch/v1
kind: Job
metadata:
  name: %[1]s
spec:
  completionMode: Indexed
  completions: %[3]d
  # All at once: they wait for each other.
  parallelism: %[3]d
  # A shard that failed is not run again by itself, and never beside its successor: the others would be over.
  backoffLimitPerIndex: 0
  podReplacementPolicy: Failed
  template:
%[4]s    spec:
      subdomain: %[1]s
      restartPolicy: Never
      automountServiceAccountToken: false
      # Each on a node of its own, as far as there are some.
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              job-name: %[1]s
      securityContext:
        runAsNonRoot: true
        runAsUser: 65534
        runAsGroup: 65534
        seccompProfile:
          type: RuntimeDefault
`, s.Name, quoteYAML(s.Token), s.N, s.scraped())
	if s.Collect != "" {
		b.WriteString("        # A claim belongs to root unless told otherwise.\n        fsGroup: 65534\n        fsGroupChangePolicy: OnRootMismatch\n")
	}
	if len(s.Sysctls) > 0 {
		b.WriteString("        sysctls:\n")
		for _, c := range s.Sysctls {
			fmt.Fprintf(&b, "          - name: %s\n            value: %s\n", quoteYAML(c.Name), quoteYAML(c.Value))
		}
	}
	fmt.Fprintf(&b, `      containers:
        - name: lastack
          image: %s
`, quoteYAML(s.Image))
	if s.Image == DefaultImage {
		b.WriteString("          # It has no registry.\n          imagePullPolicy: IfNotPresent\n")
	}
	if s.Metrics != 0 {
		fmt.Fprintf(&b, "          ports:\n            - name: metrics\n              containerPort: %d\n", s.Metrics)
	}
	b.WriteString("          args:\n")
	for _, a := range args {
		fmt.Fprintf(&b, "            - %s\n", quoteYAML(a))
	}
	fmt.Fprintf(&b, `          env:
            - name: LASTACK_TOKEN
              valueFrom:
                secretKeyRef:
                  name: %[1]s
                  key: token
          # Whole CPUs: a load generator that is throttled measures itself.
          resources:
            requests:
              cpu: "%[2]d"
              memory: %[3]s
            limits:
              cpu: "%[2]d"
              memory: %[3]s
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: ["ALL"]
`, s.Name, s.CPUs, s.Memory)
	if s.Collect != "" {
		fmt.Fprintf(&b, `          volumeMounts:
            - name: records
              mountPath: /records
      volumes:
        - name: records
          persistentVolumeClaim:
            claimName: %s
`, quoteYAML(s.Collect))
	}
	return b.String()
}

// scraped has a Prometheus that finds its targets by annotations scrape the pods.
func (s *Spec) scraped() string {
	if s.Metrics == 0 {
		return ""
	}
	return fmt.Sprintf("    metadata:\n      annotations:\n        prometheus.io/scrape: \"true\"\n        prometheus.io/port: \"%d\"\n", s.Metrics)
}

// explain says at the top how to use the manifests, and what the cluster must allow.
func (s *Spec) explain(b *strings.Builder) {
	fmt.Fprintf(b, "# One load from %d pods. Use it:\n", s.N)
	// The first condition of a Job that has ended is true, whether it succeeded or failed.
	fmt.Fprintf(b, "#   lastack fleet kubernetes ... | kubectl apply -f -\n#   kubectl wait job/%s --for=jsonpath='{.status.conditions[0].status}'=True --timeout=1h\n", s.Name)
	fmt.Fprintf(b, "#   kubectl logs -l job-name=%s --tail=-1 | lastack merge -%s -o run.json -o run.html\n#   lastack report run.json\n", s.Name, strings.ReplaceAll(s.bounds(), "\n", " "))
	fmt.Fprintf(b, "#   kubectl delete job,service,secret %s\n", s.Name)
	b.WriteString("# The Job fails if a result is not valid (exit code 3), and has its records all the same.\n")
	if s.Collect == "" {
		b.WriteString("# The kubelet cuts logs at 10 MB, which is the record of an hour or two; --collect CLAIM keeps longer ones.\n")
	} else {
		fmt.Fprintf(b, "# The claim %s keeps the records too, as %s-0.json and so on; logs are cut at 10 MB. User 65534 must be able to write there.\n", s.Collect, s.Name)
	}
	if s.Image == DefaultImage {
		fmt.Fprintf(b, "# The image %s must be on the nodes: make dist, docker build -f .dist/Dockerfile, and --image says where you pushed it.\n", DefaultImage)
	}
	if s.Metrics != 0 {
		b.WriteString("# Prometheus finds the pods by their annotations, or a PodMonitor by the port's name, metrics.\n")
	}
	var unsafe []string
	for _, c := range s.Sysctls {
		if since, ok := safeSysctls[c.Name]; ok {
			fmt.Fprintf(b, "# %s: a pod may set it from Kubernetes %s on.\n", c.Name, since)
		} else {
			unsafe = append(unsafe, c.Name)
		}
	}
	if slices.Sort(unsafe); len(unsafe) > 0 {
		fmt.Fprintf(b, "# Ask the cluster's owner to allow, on the nodes: kubelet --allowed-unsafe-sysctls=%s\n", strings.Join(unsafe, ","))
		b.WriteString("# They need a namespace that enforces no Pod Security Standard but privileged.\n")
	}
	b.WriteString("# io_uring: most container runtimes forbid it, and lastack then uses epoll, which makes fewer connections a second.\n")
}

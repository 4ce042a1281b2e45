// The types of Kubernetes take long to compile, and are the same everywhere.

package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"lastack/sockstate/socktest/golden"
)

// The manifests are what Kubernetes knows, key by key, and have what the shards need.
func TestKubernetes(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Spec)
	}{
		{"logs", func(*Spec) {}},
		{"claim", func(s *Spec) {
			s.Name, s.Collect, s.Image, s.CPUs, s.Memory, s.Metrics = "load", "records", "registry.example/lastack:1.0", 8, "4Gi", 9464
			s.Sysctls = []Sysctl{{"net.ipv4.tcp_tw_reuse", "1"}, {"net.ipv4.ip_local_port_range", "1024 65535"}}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := testSpec()
			tc.change(&s)
			text, err := Print("kubernetes", s)
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, "testdata/kubernetes-"+tc.name+".yaml", text)
			documents := strings.Split(text, "\n---\n")
			if len(documents) != 3 {
				t.Fatalf("%d documents", len(documents))
			}
			var secret corev1.Secret
			var service corev1.Service
			var job batchv1.Job
			for i, into := range []any{&secret, &service, &job} {
				if err := yaml.UnmarshalStrict([]byte(documents[i]), into); err != nil {
					t.Fatalf("document %d: %v", i, err)
				}
			}
			j, pod := &job.Spec, &job.Spec.Template.Spec
			c := &pod.Containers[0]
			for what, ok := range map[string]bool{
				"a token":                    secret.StringData["token"] == "SECRET",
				"a headless service":         service.Spec.ClusterIP == corev1.ClusterIPNone && service.Spec.PublishNotReadyAddresses,
				"names for the pods":         pod.Subdomain == s.Name && service.Name == s.Name,
				"indexed":                    *j.CompletionMode == batchv1.IndexedCompletion && *j.Completions == 4 && *j.Parallelism == 4,
				"no second try":              *j.BackoffLimitPerIndex == 0 && *j.PodReplacementPolicy == batchv1.Failed && pod.RestartPolicy == corev1.RestartPolicyNever,
				"spread":                     len(pod.TopologySpreadConstraints) == 1,
				"no account":                 !*pod.AutomountServiceAccountToken,
				"nobody":                     *pod.SecurityContext.RunAsNonRoot && *pod.SecurityContext.RunAsUser == 65534,
				"no privileges":              !*c.SecurityContext.AllowPrivilegeEscalation && len(c.SecurityContext.Capabilities.Drop) == 1,
				"resources":                  !c.Resources.Requests.Cpu().IsZero() && c.Resources.Requests.Cpu().Equal(*c.Resources.Limits.Cpu()),
				"its sysctls":                len(pod.SecurityContext.Sysctls) == len(s.Sysctls),
				"the image":                  c.Image == s.Image && (c.ImagePullPolicy == corev1.PullIfNotPresent) == (s.Image == DefaultImage),
				"what it may take":           c.Resources.Limits.Cpu().Value() == int64(s.CPUs) && c.Resources.Limits.Memory().String() == s.Memory,
				"a claim that nobody writes": (pod.SecurityContext.FSGroup != nil) == (s.Collect != ""),
				"a port to scrape":           (len(c.Ports) == 1 && c.Ports[0].ContainerPort == int32(s.Metrics) && job.Spec.Template.Annotations["prometheus.io/port"] == fmt.Sprint(s.Metrics)) == (s.Metrics != 0),
				"records in its log":         slices.Contains(c.Args, "json"),
				"the load":                   strings.Contains(strings.Join(c.Args, "|"), "run|web.example:80|-R|4k|-H|X: it's $$(HOME)|--shard|4|--rendezvous|"+s.Name+"-0."+s.Name+":9100"),
				"records in the claim":       (len(pod.Volumes) == 1) == (s.Collect != "") && slices.Contains(c.Args, "/records/"+s.Name+"-$(JOB_COMPLETION_INDEX).json") == (s.Collect != ""),
			} {
				if !ok {
					t.Errorf("the manifests lack: %s", what)
				}
			}
		})
	}
}

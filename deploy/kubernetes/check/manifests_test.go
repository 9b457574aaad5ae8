package check

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// manifests is what kustomize builds from a folder, decoded.
type manifests struct {
	deployment appsv1.Deployment
	setup      batchv1.Job
	configMaps map[string]corev1.ConfigMap
	service    corev1.Service
	account    corev1.ServiceAccount
	budget     policyv1.PodDisruptionBudget
	network    networkingv1.NetworkPolicy
	monitor    serviceMonitor
	namespace  corev1.Namespace
}

// serviceMonitor is the part of the Prometheus operator's type that we use.
type serviceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

func build(t *testing.T, dir string) manifests {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join("..", dir))
	if err != nil {
		t.Fatal(err)
	}
	m := manifests{configMaps: map[string]corev1.ConfigMap{}}
	for _, r := range resources.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		var configMap corev1.ConfigMap
		into, known := map[string]any{
			"apps/v1/Deployment":                      &m.deployment,
			"batch/v1/Job":                            &m.setup,
			"v1/ConfigMap":                            &configMap,
			"v1/Service":                              &m.service,
			"v1/ServiceAccount":                       &m.account,
			"v1/Namespace":                            &m.namespace,
			"policy/v1/PodDisruptionBudget":           &m.budget,
			"networking.k8s.io/v1/NetworkPolicy":      &m.network,
			"monitoring.coreos.com/v1/ServiceMonitor": &m.monitor,
		}[r.GetApiVersion()+"/"+r.GetKind()]
		if !known {
			t.Fatalf("%s/%s %s is not a kind that this test knows", r.GetApiVersion(), r.GetKind(), r.GetName())
		}
		// As the API server decodes: names of fields in their exact case.
		document, err := yaml.YAMLToJSONStrict(text)
		if err != nil {
			t.Fatal(err)
		}
		strict, err := kjson.UnmarshalStrict(document, into)
		if err := errors.Join(append(strict, err)...); err != nil {
			t.Errorf("%s %s: %v", r.GetKind(), r.GetName(), err)
		}
		if r.GetKind() == "ConfigMap" {
			m.configMaps[configMap.Name] = configMap
		}
	}
	return m
}

var folders = []string{"base", "overlays/production"}

func each(t *testing.T, check func(t *testing.T, m manifests)) {
	t.Helper()
	for _, dir := range folders {
		t.Run(dir, func(t *testing.T) { check(t, build(t, dir)) })
	}
}

func pods(m manifests) map[string]corev1.PodSpec {
	return map[string]corev1.PodSpec{"worker": m.deployment.Spec.Template.Spec, "setup": m.setup.Spec.Template.Spec}
}

// The "restricted" profile of Kubernetes' pod security standards, and a read-only file system.
func TestPodsAreRestricted(t *testing.T) {
	each(t, func(t *testing.T, m manifests) {
		for name, pod := range pods(m) {
			p := pod.SecurityContext
			if p == nil || p.RunAsNonRoot == nil || !*p.RunAsNonRoot || p.SeccompProfile == nil || p.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
				t.Errorf("%s: pod runs as root, or without seccomp profile", name)
			}
			if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
				t.Errorf("%s: gets a token for the Kubernetes API", name)
			}
			if pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
				t.Errorf("%s: services set variables in it", name)
			}
			c := pod.Containers[0]
			s := c.SecurityContext
			switch {
			case len(pod.Containers) != 1 || s == nil:
				t.Errorf("%s: %d containers", name, len(pod.Containers))
			case s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem:
				t.Errorf("%s: can write to its root", name)
			case s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation:
				t.Errorf("%s: can gain privileges", name)
			case s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0:
				t.Errorf("%s: has capabilities", name)
			}
			if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() {
				t.Errorf("%s: resources are not bounded", name)
			}
			if c.Image == "certrecall" || !strings.Contains(c.Image, "/certrecall:") {
				t.Errorf("%s: image %q names no registry and version", name, c.Image)
			}
		}
	})
}

// Secrets come as files from whole folders, which Kubernetes renews in place; as variables or by subPath they would
// stay what they were at the start.
func TestSecretsAreFiles(t *testing.T) {
	each(t, func(t *testing.T, m manifests) {
		for name, pod := range pods(m) {
			c := pod.Containers[0]
			mounted := map[string]string{}
			for _, v := range c.VolumeMounts {
				if v.SubPath != "" || !v.ReadOnly {
					t.Errorf("%s: mount %s is writable or by subPath", name, v.Name)
				}
				mounted[v.Name] = v.MountPath
			}
			var folders []string
			for _, v := range pod.Volumes {
				path, ok := mounted[v.Name]
				if !ok {
					t.Errorf("%s: volume %s is not mounted", name, v.Name)
				}
				folders = append(folders, path)
				delete(mounted, v.Name)
			}
			if len(mounted) > 0 {
				t.Errorf("%s: mounts without a volume: %v", name, mounted)
			}
			for _, e := range c.Env {
				if e.ValueFrom != nil {
					t.Errorf("%s: %s is a variable from elsewhere", name, e.Name)
				}
				if strings.HasPrefix(e.Value, "/") && !slices.Contains(folders, filepath.Dir(e.Value)) {
					t.Errorf("%s: %s=%s is not in a mounted folder", name, e.Name, e.Value)
				}
			}
		}
	})
}

func TestSettingsComeFromTheConfigMap(t *testing.T) {
	each(t, func(t *testing.T, m manifests) {
		for name, pod := range pods(m) {
			ref := pod.Containers[0].EnvFrom[0].ConfigMapRef.Name
			settings, ok := m.configMaps[ref]
			if !ok {
				t.Fatalf("%s: no ConfigMap %q", name, ref)
			}
			for key := range settings.Data {
				if strings.Contains(key, "PASSWORD") || strings.Contains(key, "KEY") {
					t.Errorf("%s in a ConfigMap", key)
				}
			}
			if settings.Data["NATS_URL"] == "" {
				t.Errorf("%s: no NATS_URL", name)
			}
		}
		if _, ok := m.configMaps["certrecall-protected-orders"].Data["protected-orders.txt"]; !ok {
			t.Error("no file of protected orders under the name that the workers mount")
		}
	})
}

// Who may make streams and who works are two identities.
func TestWorkersDoNotProvision(t *testing.T) {
	each(t, func(t *testing.T, m manifests) {
		env := func(pod corev1.PodSpec, name string) string {
			for _, e := range pod.Containers[0].Env {
				if e.Name == name {
					return e.Value
				}
			}
			return ""
		}
		worker, setup := m.deployment.Spec.Template.Spec, m.setup.Spec.Template.Spec
		if env(worker, "CERTRECALL_PROVISION") != "false" || !slices.Equal(setup.Containers[0].Args, []string{"setup"}) {
			t.Error("workers make the streams, or the job does not")
		}
		if a, b := env(worker, "NATS_NKEY"), env(setup, "NATS_NKEY"); a == b {
			t.Errorf("both use %s", a)
		}
		if m.setup.Spec.TTLSecondsAfterFinished == nil {
			t.Error("the job stays, and the next deploy cannot change it")
		}
	})
}

func TestWorkersStopGracefullyAndOneByOne(t *testing.T) {
	const shutdownGrace = 25 // seconds, the default of --shutdown-grace
	each(t, func(t *testing.T, m manifests) {
		spec := m.deployment.Spec
		if g := spec.Template.Spec.TerminationGracePeriodSeconds; g == nil || *g < shutdownGrace+10 {
			t.Errorf("termination grace is not set, or not well above %d s", shutdownGrace)
		}
		if *spec.Replicas < 2 || spec.Strategy.RollingUpdate.MaxUnavailable.IntValue() != 0 {
			t.Error("a roll-out leaves less than what runs")
		}
		if m.budget.Spec.MaxUnavailable.IntValue() != 1 {
			t.Error("a drained node may take more than one worker")
		}
		c := spec.Template.Spec.Containers[0]
		for name, probe := range map[string]*corev1.Probe{"/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
			if probe == nil || probe.HTTPGet.Path != name || probe.HTTPGet.Port.String() != c.Ports[0].Name {
				t.Errorf("no probe of %s at the port %s", name, c.Ports[0].Name)
			}
		}
	})
}

func TestSelectorsFindTheirPods(t *testing.T) {
	each(t, func(t *testing.T, m manifests) {
		worker, setup := m.deployment.Spec.Template.Labels, m.setup.Spec.Template.Labels
		for name, selector := range map[string]*metav1.LabelSelector{
			"deployment": m.deployment.Spec.Selector, "disruption budget": m.budget.Spec.Selector,
			"spread":  m.deployment.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector,
			"service": {MatchLabels: m.service.Spec.Selector},
		} {
			if err := finds(selector, worker, setup); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := finds(&m.network.Spec.PodSelector, worker, nil); err != nil {
			t.Errorf("network policy: %v", err)
		}
		if err := finds(&m.network.Spec.PodSelector, setup, nil); err != nil {
			t.Errorf("network policy, setup: %v", err)
		}
		dns := m.network.Spec.Egress[0].To[0].PodSelector.MatchLabels
		if len(dns) != 1 || dns["k8s-app"] != "kube-dns" {
			t.Errorf("names are asked of %v", dns)
		}
		if m.monitor.Kind != "" {
			if err := finds(&m.monitor.Spec.Selector, m.service.Labels, nil); err != nil {
				t.Errorf("service monitor: %v", err)
			}
			if p := m.monitor.Spec.Endpoints[0].Port; p != m.service.Spec.Ports[0].Name {
				t.Errorf("service monitor scrapes port %q", p)
			}
		}
	})
}

// finds says whether the selector matches the one set of labels and not the other.
func finds(s *metav1.LabelSelector, want, not map[string]string) error {
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		return err
	}
	if selector.Empty() || !selector.Matches(labels.Set(want)) {
		return fmt.Errorf("%v does not find %v", selector, want)
	}
	if not != nil && selector.Matches(labels.Set(not)) {
		return fmt.Errorf("%v finds %v too", selector, not)
	}
	return nil
}

func TestEverythingIsInTheNamespace(t *testing.T) {
	m := build(t, "overlays/production")
	for name, got := range map[string]string{
		"deployment": m.deployment.Namespace, "job": m.setup.Namespace, "service": m.service.Namespace, "account": m.account.Namespace,
		"budget": m.budget.Namespace, "network policy": m.network.Namespace, "monitor": m.monitor.Namespace,
	} {
		if got != m.namespace.Name {
			t.Errorf("%s is in namespace %q, want %q", name, got, m.namespace.Name)
		}
	}
	if m.deployment.Spec.Template.Spec.ServiceAccountName != m.account.Name {
		t.Errorf("the workers run as %q", m.deployment.Spec.Template.Spec.ServiceAccountName)
	}
}

// Each secret that a pod mounts is one that the overlay says how to make, with the files that the settings name.
func TestSecretsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../overlays/production/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, pod := range pods(build(t, "overlays/production")) {
		for _, v := range pod.Volumes {
			if v.Secret != nil && !strings.Contains(string(text), "create secret generic "+v.Secret.SecretName+" ") {
				t.Errorf("%s: secret %s is made nowhere", name, v.Secret.SecretName)
			}
		}
		for _, e := range pod.Containers[0].Env {
			if strings.HasPrefix(e.Value, "/run/secrets/") && !strings.Contains(string(text), "--from-file="+filepath.Base(e.Value)) {
				t.Errorf("%s: nobody makes the file of %s=%s", name, e.Name, e.Value)
			}
		}
	}
}

package worker

import (
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// freshFor is how long a value that was read from a store is exported. After
// that it is absent: a queue that nobody can look at is not as long as it was.
const freshFor = 6 * queuePoll

// freshGauges are gauges whose values go stale, of one name.
type freshGauges struct {
	desc *prometheus.Desc

	mu     sync.Mutex
	values map[string]freshValue
}

type freshValue struct {
	labels []string
	value  float64
	at     time.Time
}

func newFreshGauges(r prometheus.Registerer, name, help string, labels ...string) *freshGauges {
	g := &freshGauges{desc: prometheus.NewDesc("certrecall_"+name, help, labels, nil), values: map[string]freshValue{}}
	r.MustRegister(g)
	return g
}

func (g *freshGauges) set(value float64, labels ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.values[strings.Join(labels, "\x00")] = freshValue{labels, value, time.Now()}
}

// Describe implements prometheus.Collector.
func (g *freshGauges) Describe(c chan<- *prometheus.Desc) { c <- g.desc }

// Collect implements prometheus.Collector.
func (g *freshGauges) Collect(c chan<- prometheus.Metric) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key, v := range g.values {
		if time.Since(v.at) > freshFor {
			delete(g.values, key)
			continue
		}
		c <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, v.value, v.labels...)
	}
}

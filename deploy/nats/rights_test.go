package nats_test

import "time"

// nextWait bounds a read of a message that is there.
const nextWait = 5 * time.Second

package messages

// EncodeCommand returns the body of a command, as plain JSON, for a producer to
// send to [Names.CommandSubject]. It refuses what [DecodeCommand] would refuse,
// with the same error, so that a producer learns of it before it publishes; the
// source belongs to the subject and is not looked at. A replay also needs the
// headers of [CommandHeader].
func EncodeCommand(c Command) ([]byte, error) {
	var found problems
	if len(c.Context) > 0 {
		if err := checkRaw(c.Context, '{'); err != nil {
			found.add(fieldContext.name(), err.Error())
			return nil, found.err()
		}
	}
	o := object{buf: make([]byte, 0, 256+len(c.Comments)+len(c.RequestedBy)+len(c.Context))}
	o.text(fieldID.name(), c.ID)
	o.number(fieldOrderID.name(), c.OrderID)
	o.number(fieldCertificateID.name(), c.CertificateID)
	o.text(fieldComments.name(), c.Comments)
	o.text(fieldRevocationReason.name(), string(c.RevocationReason))
	o.flag(fieldSkipApproval.name(), c.SkipApproval)
	o.text(fieldExpectedCommonName.name(), c.ExpectedCommonName)
	o.flag(fieldDryRun.name(), c.DryRun)
	o.flag(fieldShowArchived.name(), c.ShowArchived)
	o.text(fieldIncident.name(), c.Incident)
	o.time(fieldDeadline.name(), c.Deadline)
	o.time(fieldExpires.name(), c.Expires)
	o.text(fieldRequestedBy.name(), c.RequestedBy)
	o.raw(fieldContext.name(), c.Context)
	body := o.end()
	if _, err := DecodeCommand(c.Lane, InvalidSource, CommandHeader(c), body); err != nil {
		return nil, err
	}
	return body, nil
}

// CommandHeader returns the headers to send with a command: its trace context
// and, for a replay, the id it is a replay of. It is empty for most.
func CommandHeader(c Command) map[string][]string {
	header := make(map[string][]string)
	for _, h := range [...]struct{ name, value string }{
		{HeaderTraceparent, c.Traceparent}, {HeaderTracestate, c.Tracestate}, {HeaderReplayOf, c.ReplayOf},
	} {
		if h.value != "" {
			header[h.name] = []string{h.value}
		}
	}
	return header
}

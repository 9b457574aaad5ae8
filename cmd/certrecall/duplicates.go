package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"certrecall/worker/status"
)

// duplicatesCmd shows the lists of duplicates that are there.
type duplicatesCmd struct {
	natsFlags
	selection
	JSON bool `name:"json" help:"Print JSON, one list a line, DigiCert's objects unchanged."`
	CSV  bool `name:"csv" help:"Print CSV, one certificate a row."`
}

// Help is the long help, with examples.
func (duplicatesCmd) Help() string {
	return `It shows the answers to submit list-duplicates. Name what they are of; an order alone is looked for in all lists that there are.
In a pipe each line is a certificate, tab-separated: duplicate, order, certificate, common name, serial number, valid till, status, SANs, command.

Examples:
  certrecall duplicates --order 1234567
  certrecall duplicates --incident INC-42 --csv > duplicates.csv`
}

// Run shows.
func (c *duplicatesCmd) Run(ctx context.Context, p *process) error {
	s := p.settings()
	filter := c.filter(s)
	if filter.All() {
		s.bad("order", "name an order, an incident, a source or a command")
	}
	if c.CSV && c.JSON {
		s.bad("csv", "set together with --json: set one of them")
	}
	c.check(s)
	if err := s.err(); err != nil {
		return err
	}
	nats, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	defer nats.conn.Close()
	r, err := status.Open(ctx, nats.js, nats.names)
	if err != nil {
		return p.missing(nats, err)
	}
	return printListings(ctx, p, r, filter, listingsDuplicates, c.CSV, c.JSON)
}

// Which listings are printed.
const (
	listingsPlanned    = true
	listingsDuplicates = false
)

// printListings prints plans, or lists of duplicates.
func printListings(ctx context.Context, p *process, r *status.Reader, f status.Filter, planned, asCSV, asJSON bool) error {
	tag, what := "duplicate", "list of duplicates"
	if planned {
		tag, what = "plan", "plan (of submit revoke --dry-run)"
	}
	rows := csv.NewWriter(p.stdout)
	if asCSV {
		_ = rows.Write(listingColumns) // its error comes from Flush
	}
	var sections []section
	found := 0
	err := r.Listings(ctx, f, func(l status.Listing) error {
		if l.Planned != planned {
			return nil
		}
		found++
		switch {
		case asJSON:
			return json.NewEncoder(p.stdout).Encode(l)
		case asCSV:
			for _, cells := range listingRows(l) {
				if err := rows.Write(cells); err != nil {
					return err
				}
			}
		default:
			sections = append(sections, listingSection(tag, l))
		}
		return nil
	})
	rows.Flush()
	switch {
	case err != nil:
		return err
	case rows.Error() != nil:
		return fmt.Errorf("writing the list: %w", rows.Error())
	case found == 0:
		if err := unknownIn(ctx, r, f); err != nil {
			return err
		}
		return fmt.Errorf("there is no %s of what is selected", what)
	}
	p.show(sections...)
	return nil
}

// listingColumns are those of the CSV, listingRows its rows.
var listingColumns = []string{
	"order_id", "certificate_id", "common_name", "dns_names", "serial_number", "valid_till", "status", "order_status",
	"approval_needed", "product", "answered_at", "incident", "source", "command_id",
}

func listingRows(l status.Listing) [][]string {
	approval := ""
	if l.ApprovalNeeded != nil {
		approval = strconv.FormatBool(*l.ApprovalNeeded)
	}
	rows := make([][]string, 0, len(l.Certificates))
	for _, c := range l.Certificates {
		cells := []string{
			id(l.OrderID), id(int64(c.ID)), c.CommonName, strings.Join(c.DNSNames, " "), c.SerialNumber, c.ValidTill, c.Status, l.OrderStatus,
			approval, l.Product, moment(l.At), l.Incident, l.Source, l.ID,
		}
		for i := range cells {
			cells[i] = status.Inert(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

// namesShown is how many alternative names a table has of a certificate.
const namesShown = 4

func listingSection(tag string, l status.Listing) section {
	s := section{
		tag: tag, title: fmt.Sprintf("ORDER %d: %s", l.OrderID, counted(len(l.Certificates), "certificate")),
		header: []string{"order", "certificate", "common name", "serial number", "valid till", "status", "SANs", "command"}, right: []int{0, 1}, wrap: 7,
	}
	for _, c := range l.Certificates {
		names := c.DNSNames
		sans := strings.Join(names[:min(len(names), namesShown)], " ")
		if more := len(names) - namesShown; more > 0 {
			sans += fmt.Sprintf(" and %d more", more)
		}
		s.add(number(l.OrderID), number(int64(c.ID)), orDash(c.CommonName), orDash(c.SerialNumber), orDash(c.ValidTill), orDash(c.Status), orDash(sans), l.ID)
	}
	if l.Planned {
		approval := "not known whether an administrator has to approve"
		if l.ApprovalNeeded != nil {
			approval = map[bool]string{true: "an administrator has to approve it", false: "no approval is needed: it is revoked at once"}[*l.ApprovalNeeded]
		}
		s.note("the order is %s; %s", orDash(l.OrderStatus), approval)
	}
	s.note("as of %s", l.At.UTC().Format(time.RFC3339))
	return s
}

func id(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// moment writes a time, in UTC, as spreadsheets read it.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05.000")
}

package submission

import (
	"fmt"
	"regexp"
	"strings"
)

// thousands is a number with separators in it: 1,234,567. Numbers of three
// digits by a comma are a list: no order has so few that it would be written so.
var thousands = regexp.MustCompile(`^(\d{1,2}(,\d{3})+|\d{3}(,\d{3}){2,})$`)

// OrderList takes apart orders that were given by commas: "1234567,1234568".
// What looks like one number with separators for thousands is refused, for it
// would be taken for several orders.
func OrderList(text string) ([]string, error) {
	text = strings.TrimSpace(text)
	if thousands.MatchString(text) {
		return nil, fmt.Errorf("%q looks like one number with separators for thousands: write %s, or give each order its own --order",
			text, strings.ReplaceAll(text, ",", ""))
	}
	var orders []string
	for order := range strings.SplitSeq(text, ",") {
		orders = append(orders, strings.TrimSpace(order))
	}
	return orders, nil
}

package sockstate

// StatusClass is the first digit of an HTTP status code, or 0 for a code outside 100 to 599.
type StatusClass uint8

// InvalidStatus is the class of codes outside 100 to 599.
const InvalidStatus StatusClass = 0

// StatusClassNames lists the names in display order. A 1xx is an interim reply: another follows.
func StatusClassNames() []string { return []string{"1xx", "2xx", "3xx", "4xx", "5xx", "invalid"} }

// String is the class's name in a record.
func (c StatusClass) String() string {
	if c == InvalidStatus {
		return "invalid"
	}
	return string('0'+rune(c)) + "xx"
}

// Statuses counts replies by class.
type Statuses [6]int64

// Add sums o into s.
func (s *Statuses) Add(o *Statuses) {
	for i := range s {
		s[i] += o[i]
	}
}

package cli

// A Sender is whom imgrecv speaks of, which may have several. It is empty for imgsend
// itself.
type Sender struct {
	ID   string // in events: a peer ID
	Name string // for people
}

// Label begins a line about the sender.
func (s Sender) Label() string {
	if s.Name == "" {
		return ""
	}
	return "from " + s.Name + ": "
}

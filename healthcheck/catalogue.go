package healthcheck

// catalogue describes everything of one kind once, in order. Lists, runbooks and documentation are made from it.
type catalogue[N ~string] []struct {
	name      N
	meaning   string // the first sentence of its runbook
	decidedBy string // the evidence for it, in Markdown
}

func (c catalogue[N]) names() []N {
	list := make([]N, 0, len(c))
	for _, row := range c {
		list = append(list, row.name)
	}
	return list
}

// meaning is empty for a name that is not in the catalogue.
func (c catalogue[N]) meaning(name N) string {
	for _, row := range c {
		if row.name == name {
			return row.meaning
		}
	}
	return ""
}

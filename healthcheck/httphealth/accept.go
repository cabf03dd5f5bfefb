package httphealth

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

const (
	plainJSON  = "application/json"
	healthJSON = "application/health+json"
)

// wantsHealthJSON says whether the Accept header names the media type of draft-inadarei-api-health-check, and likes plain
// JSON no better. Of the ranges that plain JSON is in, the closest counts.
func wantsHealthJSON(r *http.Request) bool {
	var draft, plain float64
	closest := ""
	for _, accept := range r.Header.Values("Accept") {
		for text := range strings.SplitSeq(accept, ",") {
			kind, params, err := mime.ParseMediaType(text)
			if err != nil {
				continue
			}
			switch kind {
			case healthJSON:
				draft = quality(params)
			case plainJSON, "application/*", "*/*": // the longer, the closer
				if len(kind) > len(closest) {
					closest, plain = kind, quality(params)
				}
			}
		}
	}
	return draft > 0 && draft >= plain
}

// quality is how much a media range is wanted, 1 unless it says otherwise.
func quality(params map[string]string) float64 {
	if q, err := strconv.ParseFloat(params["q"], 64); err == nil && q >= 0 && q <= 1 {
		return q
	}
	return 1
}

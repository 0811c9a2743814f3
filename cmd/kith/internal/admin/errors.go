package admin

import (
	"encoding/json"
	"errors"
	"net/http"
	"syscall"

	"kith/cmd/kith/internal/exit"
)

// failure is how an error travels.
type failure struct {
	Code    exit.Code `json:"code"`
	Message string    `json:"message"`
	Hint    string    `json:"hint,omitempty"`
}

// httpStatus is for those who look with curl; the command reads the body.
var httpStatus = map[exit.Code]int{
	exit.Usage: http.StatusBadRequest, exit.NotFound: http.StatusNotFound, exit.Refused: http.StatusConflict,
	exit.Timeout: http.StatusGatewayTimeout, exit.NoNode: http.StatusServiceUnavailable,
}

func writeError(w http.ResponseWriter, err error) {
	f := failure{Code: exit.CodeOf(err), Message: err.Error()}
	var known *exit.Error
	if errors.As(err, &known) {
		f.Hint = known.Hint
	}
	status := httpStatus[f.Code]
	if status == 0 {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]failure{"error": f}) // the caller is gone if it fails
}

// readError makes the error again.
func readError(r *http.Response) error {
	var body struct {
		Error failure `json:"error"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<20)).Decode(&body); err != nil || body.Error.Message == "" {
		return exit.Errorf(exit.Failed, "", "the node answered %s", r.Status)
	}
	return &exit.Error{Code: body.Error.Code, Err: errors.New(body.Error.Message), Hint: body.Error.Hint}
}

// refused tells that nobody listens.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Error is a failure that whoever runs the servers, or the host, can do something about.
type Error struct {
	Code string // one of the Code constants
	Text string // what happened
	Hint string // the next step
	Err  error  // the cause, or nil
}

// What an Error is about.
const (
	CodeAddress      = "address"      // no address of a server
	CodeUnreachable  = "unreachable"  // no server answers
	CodeUnauthorized = "unauthorized" // they do not let us in, or not do that
	CodeTLS          = "tls"          // their certificates, or ours, are not accepted
	CodeFile         = "file"         // a file of ours cannot be used
	CodeTooOld       = "too_old"      // of the server
	CodeNoJetStream  = "no_jetstream" // the servers keep nothing
	CodeFull         = "full"         // they can keep no more
	CodeNotOurs      = "not_ours"     // what has the room's place is another thing
	CodeMissing      = "missing"      // there is no such room
	CodeMoving       = "moving"       // the room is on its way here
	CodeEdited       = "edited"       // somebody else has written what makes no sense
	CodePayload      = "payload"      // they take no messages as large as an entry
)

func (e *Error) Error() string { return e.Text }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// noLeader is the code of an answer of servers that have no majority, or none yet.
const noLeader = 10008

// explain says in words why the servers could not be used.
func explain(err error, servers string) error {
	var (
		ours     *Error
		unknown  x509.UnknownAuthorityError
		invalid  x509.CertificateInvalidError
		name     x509.HostnameError
		verify   *tls.CertificateVerificationError
		api      *jetstream.APIError
		js       jetstream.JetStreamError
		describe = "the servers say: %v"
	)
	if errors.As(err, &js) {
		api = js.APIError()
	}
	switch {
	case err == nil || errors.As(err, &ours):
		return err
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrPermissionViolation), strings.Contains(err.Error(), "Permissions Violation"):
		return &Error{CodeUnauthorized, "the servers at " + servers + " do not let this host in: " + err.Error(),
			"give it credentials with --creds FILE, or NAME:PASSWORD@ in the address", err}
	case errors.As(err, &unknown), errors.As(err, &invalid), errors.As(err, &name), errors.As(err, &verify), strings.Contains(err.Error(), "tls: "),
		errors.Is(err, nats.ErrSecureConnRequired), errors.Is(err, nats.ErrSecureConnWanted):
		return &Error{CodeTLS, "no encrypted connection to " + servers + ": " + err.Error(),
			"--cluster-ca FILE names the certificates that vouch for the servers; --cluster-cert and --cluster-key are ours", err}
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return &Error{CodeNoJetStream, "the servers at " + servers + " keep nothing: JetStream is off there, or for this account", "start them with: nats-server -js", err}
	case api != nil && (api.ErrorCode == 10023 || api.ErrorCode == 10047 || api.ErrorCode == 10028 || api.ErrorCode == 10027 || api.ErrorCode == 10026):
		return &Error{CodeFull, "the servers can keep no more: " + api.Description, "give them, or this account, more space (max_file_store, max_streams)", err}
	case errors.Is(err, nats.ErrNoServers), errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout), errors.Is(err, nats.ErrNoResponders),
		errors.Is(err, jetstream.ErrNoStreamResponse), api != nil && api.ErrorCode == noLeader, errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrDisconnected), errors.Is(err, nats.ErrConnectionReconnecting):
		return &Error{CodeUnreachable, "no majority of the servers answers at " + servers, "see that they run and that their port, 4222, is let in; then: parley doctor --cluster " + servers, err}
	}
	return &Error{CodeUnreachable, fmt.Sprintf(describe, err), "see parley doctor --cluster " + servers, err}
}

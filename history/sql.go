package history

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
)

// conn is one connection to a file, of one goroutine at a time. Its statements
// stay prepared. It does without database/sql's pool: a log knows better which
// connection writes, and how many may read.
type conn struct {
	db    driver.Conn
	stmts map[string]driver.Stmt
}

// background has no end, so that waiting for one costs no goroutine a statement.
var background = context.Background()

// uri names a file to SQLite whatever characters are in its path.
func uri(path, query string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") && filepath.IsAbs(path) { // C:/…
		path = "/" + path
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + query
}

// connect opens a file, mode being of its URI.
func connect(path, mode string) (*conn, error) {
	c, err := sqlite.NewConnector(uri(path, mode+"&_dqs=0"))
	if err != nil {
		return nil, err
	}
	db, err := c.Connect(background)
	if err != nil {
		return nil, err
	}
	return &conn{db: db, stmts: make(map[string]driver.Stmt)}, nil
}

func (c *conn) close() error {
	for _, s := range c.stmts {
		s.Close()
	}
	return c.db.Close()
}

func (c *conn) prepare(query string) (driver.Stmt, error) {
	if s, ok := c.stmts[query]; ok {
		return s, nil
	}
	s, err := c.db.Prepare(query)
	if err == nil {
		c.stmts[query] = s
	}
	return s, err
}

func named(args []driver.Value) []driver.NamedValue {
	list := make([]driver.NamedValue, len(args))
	for i, v := range args {
		list[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return list
}

// exec runs a statement and tells how many rows it changed.
func (c *conn) exec(query string, args ...driver.Value) (int64, error) {
	s, err := c.prepare(query)
	if err != nil {
		return 0, err
	}
	r, err := s.(driver.StmtExecContext).ExecContext(background, named(args))
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// script runs statements that are not worth being kept prepared.
func (c *conn) script(text string) error {
	_, err := c.db.(driver.ExecerContext).ExecContext(background, text, nil)
	return err
}

// errEnough ends a query from within.
var errEnough = errors.New("enough")

// query calls row for each row of an answer, until it returns an error. What the
// row holds is its to keep.
func (c *conn) query(ctx context.Context, row func([]driver.Value) error, query string, args ...driver.Value) error {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	rows, err := s.(driver.StmtQueryContext).QueryContext(ctx, named(args))
	if err != nil {
		return err
	}
	defer rows.Close()
	values := make([]driver.Value, len(rows.Columns()))
	for {
		err := rows.Next(values)
		if err == nil {
			if err = ctx.Err(); err == nil {
				err = row(values)
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, errEnough):
			return nil
		case err != nil:
			return err
		}
	}
}

// number asks for one number; found is false when there is no row, or NULL.
func (c *conn) number(query string, args ...driver.Value) (n int64, found bool, err error) {
	err = c.query(background, func(v []driver.Value) error {
		n, found = v[0].(int64)
		return errEnough
	}, query, args...)
	return n, found, err
}

// transact runs f in a transaction that nobody else writes beside. Of an error,
// surely tells that nothing of it is in the file.
func (c *conn) transact(f func() error) (surely bool, err error) {
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return true, err
	}
	if err = f(); err != nil {
		surely = true
	} else if _, err = c.exec("COMMIT"); err == nil {
		return false, nil
	} else {
		// A full disk shows before the transaction's last page is written, by
		// which alone it counts. After other errors it may be there at the next start.
		surely = code(err)&0xff == codeFull || code(err)&0xff == codeBusy || code(err)&0xff == codeReadOnly
	}
	c.exec("ROLLBACK") // its error: SQLite has done so itself
	return surely, err
}

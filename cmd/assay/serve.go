package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/gen-emerge/assay/web"
)

// shutdownWait is how long requests in progress may take to end.
const shutdownWait = 5 * time.Second

type serveFlags struct {
	addr, token, rater string
	raters             []string
}

func (f *serveFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.addr, "addr", "127.0.0.1:8090", "`HOST:PORT` to listen on; port 0 picks a free one")
	c.Flags().StringVar(&f.rater, "rater", "me", "the `NAME` under which comparisons are recorded")
	c.Flags().StringSliceVar(&f.raters, "raters", nil, "`NAMES` of further people who compare: a link is printed for each, under which their answers are recorded")
	c.Flags().StringVar(&f.token, "token", "", "`SECRET` that pages opened from other machines must show; made if the address is not loopback and none is given")
}

// log is where failures of requests go besides the page that tells of them.
func (w world) log() *slog.Logger { return slog.New(slog.NewTextHandler(w.err, nil)) }

func newServe(w world) *cobra.Command {
	var f seriesFlags
	var sf serveFlags
	c := &cobra.Command{
		Use:   "serve",
		Short: "Serve the pages: the map, each image's profile, comparisons",
		Long: `Serve shows a series in the browser and takes comparisons from a person. It
listens on this machine only; another address needs a token, which is printed
as part of the link. Each of --raters gets a link of their own, which stays the
same as long as --token does.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ws, err := openWorkspace(c.Context(), c, w, &f, needViews)
			if err != nil {
				return err
			}
			return errors.Join(serve(c.Context(), w, ws, sf), ws.Close())
		},
	}
	f.register(c)
	f.registerRules(c)
	sf.register(c)
	return c
}

// reachable writes where a listener is found: one that listens on every address
// is found at this machine's first one that others can reach.
func reachable(at net.Addr) string {
	tcp, ok := at.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return at.String()
	}
	host := "localhost"
	addrs, _ := net.InterfaceAddrs() // without them this machine's own name for itself still works
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			host = n.IP.String()
			break
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(tcp.Port))
}

// serve serves the pages of ws until ctx ends.
func serve(ctx context.Context, w world, ws *workspace, f serveFlags) error {
	host, _, err := net.SplitHostPort(f.addr)
	if err != nil {
		return usage("--addr %s: want HOST:PORT: %v", f.addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && f.token == "" {
		f.token = rand.Text()
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", f.addr)
	if err != nil {
		return fmt.Errorf("%w; --addr 127.0.0.1:0 picks a free port", err)
	}
	var raters []web.Rater
	secret := cmp.Or(f.token, rand.Text())
	for _, name := range f.raters {
		raters = append(raters, web.Rater{Name: name, Token: web.RaterToken(secret, name)})
	}
	handler, err := web.New(ws.series, ws.store, web.Options{
		Token: f.token, Rater: f.rater, Raters: raters, Log: w.log(), Difference: ws.tools.difference()})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	link := "http://" + reachable(listener.Addr()) + "/"
	if f.token != "" {
		link += "?token=" + f.token
	}
	fmt.Fprintf(w.out, "\nPages: %s  (Ctrl-C ends)\n", link)
	for _, r := range raters {
		fmt.Fprintf(w.out, "For %s: http://%s/compare?token=%s\n", r.Name, reachable(listener.Addr()), r.Token)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownWait)
		defer cancel()
		return server.Shutdown(rest)
	}
}

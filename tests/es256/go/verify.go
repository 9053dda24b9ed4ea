// Go's verifiers of ID tokens, with tokens of a running issuer: coreos/go-oidc, and the authenticator of the Kubernetes API server.
//
//	verify accept|refuse ISSUER SITE TOKENS
//
// The API server takes no issuer without https, so ISSUER is `https://localhost:PORT`, and this program speaks TLS there with an authority
// of its own, in front of SITE, the issuer's static files over plain http. TOKENS is a JSON file: `client_id`, and the `id_token` and
// `access_token` that this client got. `refuse` demands that the API server refuses them, and says why.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	kubernetes "k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
)

// How long the whole program may take.
const patience = time.Minute

// How the authenticator says that it knows no EdDSA: where an administrator asks for it, and where a token comes with it.
const (
	noSuchSetting = `oidc: unsupported signing alg: "EdDSA"`
	noSuchToken   = `oidc: verify token: oidc: id token signed with unsupported algorithm, expected ["ES256"`
)

type tokens struct {
	ClientID    string `json:"client_id"`
	IDToken     string `json:"id_token"`
	AccessToken string `json:"access_token"`
}

// authority is the throw-away certificate, which is its own authority.
type authority struct {
	certificate tls.Certificate
	pem         []byte
}

func (a authority) CurrentCABundleContent() []byte { return a.pem }

func newAuthority() (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	template := x509.Certificate{
		SerialNumber:          big.NewInt(1),
		DNSNames:              []string{"localhost"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return authority{}, err
	}
	return authority{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem:         pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	}, nil
}

// serve puts TLS in front of the site, at the issuer's own port.
func serve(issuer, site string, own authority) error {
	name, err := url.Parse(issuer)
	if err != nil {
		return err
	}
	behind, err := url.Parse(site)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", name.Port()))
	if err != nil {
		return err
	}
	listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{own.certificate}})
	go func() { _ = http.Serve(listener, httputil.NewSingleHostReverseProxy(behind)) }()
	return nil
}

// checkGoOIDC verifies both tokens, with the algorithms that discovery names, and says whom they are about.
func checkGoOIDC(ctx context.Context, issuer string, own authority, given tokens) (string, error) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(own.pem)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	ctx = oidc.ClientContext(ctx, client)
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		return "", err
	}
	subject := ""
	for audience, token := range map[string]string{given.ClientID: given.IDToken, issuer: given.AccessToken} {
		verified, err := provider.Verifier(&oidc.Config{ClientID: audience}).Verify(ctx, token)
		if err != nil {
			return "", fmt.Errorf("the token for %s: %w", audience, err)
		}
		if _, err := provider.Verifier(&oidc.Config{ClientID: "another"}).Verify(ctx, token); err == nil {
			return "", fmt.Errorf("the token for %s was taken for another audience", audience)
		}
		if _, err := provider.Verifier(&oidc.Config{ClientID: audience}).Verify(ctx, altered(token)); err == nil {
			return "", fmt.Errorf("the token for %s was taken with another signature", audience)
		}
		subject = verified.Subject
	}
	return subject, nil
}

// altered is the token with another character amid its signature.
func altered(token string) string {
	at, other := len(token)-20, "A"
	if token[at:at+1] == other {
		other = "B"
	}
	return token[:at] + other + token[at+1:]
}

// newAuthenticator is what the API server makes of an AuthenticationConfiguration with one issuer.
func newAuthenticator(ctx context.Context, issuer string, own authority, audience string, algorithms []string) (authenticator.Token, error) {
	prefix := "quorate:"
	made, err := kubernetes.New(ctx, kubernetes.Options{
		JWTAuthenticator: apiserver.JWTAuthenticator{
			Issuer: apiserver.Issuer{URL: issuer, Audiences: []string{audience}},
			ClaimMappings: apiserver.ClaimMappings{
				Username: apiserver.PrefixedClaimOrExpression{Claim: "sub", Prefix: &prefix},
			},
		},
		CAContentProvider:    own,
		SupportedSigningAlgs: algorithms,
	})
	if err != nil {
		return nil, err
	}
	for made.HealthCheck() != nil {
		select {
		case <-ctx.Done():
			return nil, made.HealthCheck()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return made, nil
}

// checkKubernetes says how the API server takes the ID token.
func checkKubernetes(ctx context.Context, expected, subject, issuer string, own authority, given tokens) (string, error) {
	// With an AuthenticationConfiguration the API server takes all algorithms that it knows.
	known := kubernetes.AllValidSigningAlgorithms()
	made, err := newAuthenticator(ctx, issuer, own, given.ClientID, known)
	if err != nil {
		return "", err
	}
	answer, ok, err := made.AuthenticateToken(ctx, given.IDToken)
	if expected == "refuse" {
		if err == nil || !strings.HasPrefix(err.Error(), noSuchToken) {
			return "", fmt.Errorf("the token with EdDSA met %v, %v", ok, err)
		}
		_, unset := newAuthenticator(ctx, issuer, own, given.ClientID, []string{"EdDSA"})
		if unset == nil || unset.Error() != noSuchSetting {
			return "", fmt.Errorf("the setting EdDSA met %v", unset)
		}
		return fmt.Sprintf("refuses EdDSA: %v; and the setting: %v", err, unset), nil
	}
	if err != nil || !ok {
		return "", fmt.Errorf("not authenticated: %v, %w", ok, err)
	}
	if name := answer.User.GetName(); name != "quorate:"+subject {
		return "", fmt.Errorf("the user is %s", name)
	}
	if _, ok, err := made.AuthenticateToken(ctx, altered(given.IDToken)); ok || err == nil {
		return "", fmt.Errorf("another signature met %v, %v", ok, err)
	}
	// As with --oidc-signing-algs=ES256, and for another client.
	flags, err := newAuthenticator(ctx, issuer, own, given.ClientID, []string{"ES256"})
	if err != nil {
		return "", err
	}
	if _, ok, err := flags.AuthenticateToken(ctx, given.IDToken); err != nil || !ok {
		return "", fmt.Errorf("not authenticated with ES256 alone: %v, %w", ok, err)
	}
	other, err := newAuthenticator(ctx, issuer, own, "another", known)
	if err != nil {
		return "", err
	}
	if _, ok, err := other.AuthenticateToken(ctx, given.IDToken); ok || err == nil {
		return "", fmt.Errorf("another client's token met %v, %v", ok, err)
	}
	return "takes ES256, as " + answer.User.GetName(), nil
}

func run(expected, issuer, site, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var given tokens
	if err := json.Unmarshal(text, &given); err != nil {
		return err
	}
	own, err := newAuthority()
	if err != nil {
		return err
	}
	if err := serve(issuer, site, own); err != nil {
		return err
	}
	// This library knows both algorithms: what the API server refuses is no fault of the token.
	subject, err := checkGoOIDC(ctx, issuer, own, given)
	if err != nil {
		return fmt.Errorf("go-oidc: %w", err)
	}
	fmt.Println("ok go-oidc: takes both tokens")
	told, err := checkKubernetes(ctx, expected, subject, issuer, own, given)
	if err != nil {
		return fmt.Errorf("kube-apiserver: %w", err)
	}
	fmt.Println("ok kube-apiserver: " + told)
	return nil
}

func main() {
	if len(os.Args) != 5 || (os.Args[1] != "accept" && os.Args[1] != "refuse") {
		fmt.Fprintln(os.Stderr, "usage: verify accept|refuse ISSUER SITE TOKENS")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, "FAILED", err)
		os.Exit(1)
	}
}

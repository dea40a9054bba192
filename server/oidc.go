package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"strings"

	"rasad/server/access"
)

// oidcConfig is a provider of identities; off while it has no issuer.
type oidcConfig struct {
	Name             string             `yaml:"name"` // as the page to sign in calls it
	Issuer           string             `yaml:"issuer"`
	ClientID         string             `yaml:"client_id"`
	ClientSecretFile string             `yaml:"client_secret_file"` // empty: a public client
	Callback         string             `yaml:"callback"`           // https://OUR.HOST/api/v1/oidc/callback
	Scopes           []string           `yaml:"scopes"`
	NameClaim        string             `yaml:"name_claim"`
	RoleClaim        string             `yaml:"role_claim"`
	AgencyClaim      string             `yaml:"agency_claim"`
	Roles            []access.OIDCRole  `yaml:"roles"` // the first that fits
	Agencies         []access.OIDCScope `yaml:"agencies"`
	Shelters         []access.OIDCScope `yaml:"shelters"`
	ACR              []string           `yaml:"acr"`
	Roots            string             `yaml:"roots"` // PEM file of authorities to trust for the provider, and no others
}

// open returns the way in by the provider of the config; nil: there is none. The
// key seals what browsers keep, and outlives a restart.
func (c oidcConfig) open(gate *access.Gate, key []byte) (*access.OIDC, error) {
	if c.Issuer == "" {
		return nil, nil
	}
	o := access.OIDCConfig{Issuer: c.Issuer, ClientID: c.ClientID, Callback: c.Callback, Scopes: c.Scopes, NameClaim: c.NameClaim, RoleClaim: c.RoleClaim,
		AgencyClaim: c.AgencyClaim, Roles: c.Roles, Agencies: c.Agencies, Shelters: c.Shelters, ACR: c.ACR, Key: key}
	if c.ClientSecretFile != "" {
		b, err := os.ReadFile(c.ClientSecretFile)
		if err != nil {
			return nil, usagef("oidc: client_secret_file: %v", err)
		}
		o.ClientSecret = strings.TrimSpace(string(b))
	}
	if c.Roots != "" {
		b, err := os.ReadFile(c.Roots)
		if err != nil {
			return nil, usagef("oidc: roots: %v", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(b) {
			return nil, usagef("oidc: roots: %s holds no certificate", c.Roots)
		}
		o.Client = &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	}
	out, err := access.NewOIDC(gate, o)
	if err != nil {
		return nil, usagef("oidc: %v", err)
	}
	return out, nil
}

package postgres

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"time"
)

// Both lie in the data directory, to which postgresql.conf's relative names refer.
const (
	certFile = "server.crt"
	keyFile  = "server.key"
)

func (s *Server) writeCertificate() error {
	cert, key, err := selfSigned(time.Now())
	if err != nil {
		return err
	}
	if err := s.account.writeFile(filepath.Join(s.dataDir(), certFile), cert); err != nil {
		return err
	}
	return s.account.writeFile(filepath.Join(s.dataDir(), keyFile), key)
}

// selfSigned returns a certificate for this machine, which is its own root, and the private key; both PEM.
func selfSigned(now time.Time) (cert, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(now.UnixNano()),
		Subject:               pkix.Name{CommonName: "otelpool throwaway PostgreSQL"},
		NotBefore:             now.Add(-time.Hour), // clocks differ, even between a host and its containers
		NotAfter:              now.Add(24 * time.Hour),
		IPAddresses:           []net.IP{net.ParseIP(host)},
		DNSNames:              []string{"localhost"},
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	certDER, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return "", "", err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", err
	}
	return encode("CERTIFICATE", certDER), encode("PRIVATE KEY", keyDER), nil
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

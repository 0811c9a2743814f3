package cert

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

const (
	blockCert = "CERTIFICATE"
	blockKey  = "PRIVATE KEY"
	blockCRL  = "X509 CRL"
)

// maxPEM is the most that we read of one file: some thousand certificates.
const maxPEM = 1 << 20

// EncodeCerts writes certificates as PEM, in order.
func EncodeCerts(certs ...*x509.Certificate) []byte {
	var b []byte
	for _, c := range certs {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: blockCert, Bytes: c.Raw})...)
	}
	return b
}

// EncodeKey writes a private key as PEM, PKCS#8.
func EncodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("cert: encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), nil
}

// EncodeCRL writes a revocation list as PEM.
func EncodeCRL(list *x509.RevocationList) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: blockCRL, Bytes: list.Raw})
}

// DecodeCerts reads one or more certificates, in order. Text between the blocks
// is skipped, blocks of another type are an error.
func DecodeCerts(data []byte) ([]*x509.Certificate, error) {
	return decodeAll(data, blockCert, x509.ParseCertificate)
}

// DecodeCRLs reads one or more revocation lists.
func DecodeCRLs(data []byte) ([]*x509.RevocationList, error) {
	return decodeAll(data, blockCRL, x509.ParseRevocationList)
}

// DecodeKey reads one private key: PKCS#8, or what older tools write for EC and
// RSA. RSA serves authorities only, and whether the key suits is judged with
// its certificate.
func DecodeKey(data []byte) (crypto.Signer, error) {
	blocks, err := decodeBlocks(data)
	if err != nil {
		return nil, err
	}
	var key crypto.Signer
	for _, b := range blocks {
		if b.Type == "EC PARAMETERS" { // openssl ecparam -genkey puts it first
			continue
		}
		if key != nil {
			return nil, errors.New("cert: more than one block; a key file has one private key")
		}
		if key, err = parseKey(b); err != nil {
			return nil, err
		}
	}
	if key == nil {
		return nil, errors.New("cert: no private key")
	}
	return key, nil
}

func parseKey(b *pem.Block) (crypto.Signer, error) {
	if b.Type == "ENCRYPTED PRIVATE KEY" || b.Headers["DEK-Info"] != "" {
		return nil, errors.New("cert: the key is encrypted; write it without a passphrase (openssl pkey -in FILE -out FILE)")
	}
	var key any
	var err error
	switch b.Type {
	case blockKey:
		key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(b.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
	default:
		return nil, wrongBlock(b.Type, blockKey)
	}
	if err != nil {
		return nil, fmt.Errorf("cert: private key: %w", err)
	}
	switch key := key.(type) {
	case ed25519.PrivateKey:
		return key, nil
	case *ecdsa.PrivateKey:
		return key, nil
	case *rsa.PrivateKey:
		return key, nil
	}
	return nil, fmt.Errorf("cert: private key: %T cannot sign: %w", key, ErrKey)
}

// decodeAll parses every block of data, which must all be of one type.
func decodeAll[T any](data []byte, want string, parse func([]byte) (T, error)) ([]T, error) {
	blocks, err := decodeBlocks(data)
	if err != nil {
		return nil, err
	}
	var all []T
	for i, b := range blocks {
		if b.Type != want {
			return nil, wrongBlock(b.Type, want)
		}
		one, err := parse(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("cert: block %d (%s): %w", i+1, want, err)
		}
		all = append(all, one)
	}
	return all, nil
}

// decodeBlocks finds all PEM blocks. encoding/pem passes over a block that is
// cut off or garbled; here that is an error, since what it held would be missed
// only when a peer is refused.
func decodeBlocks(data []byte) ([]*pem.Block, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return nil, errors.New("cert: empty")
	case len(data) > maxPEM:
		return nil, fmt.Errorf("cert: more than %d bytes", maxPEM)
	case data[0] == 0x30 && !bytes.Contains(data, []byte("-----BEGIN ")):
		return nil, errors.New("cert: not PEM; it looks like DER (openssl x509 -inform der -in FILE converts it)")
	}
	var blocks []*pem.Block
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		blocks = append(blocks, b)
	}
	switch begun := bytes.Count(data, []byte("-----BEGIN ")); {
	case begun == 0:
		return nil, errors.New("cert: not PEM: no line begins with -----BEGIN")
	case begun != len(blocks):
		return nil, fmt.Errorf("cert: %d PEM blocks begin, %d can be read: the file is cut off or garbled", begun, len(blocks))
	}
	return blocks, nil
}

func wrongBlock(got, want string) error {
	return fmt.Errorf("cert: %s instead of %s", clean(got, 40), want)
}

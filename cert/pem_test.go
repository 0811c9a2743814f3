package cert

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestDecodeForms(t *testing.T) {
	ca := newCA(t, "ours")
	one := EncodeCerts(ca.Cert)
	two := EncodeCerts(ca.Cert, newCA(t, "other").Cert)
	for _, c := range []struct {
		name string
		data []byte
		n    int
		want string
	}{
		{"one", one, 1, ""},
		{"two", two, 2, ""},
		{"byte order mark", append([]byte("\ufeff"), one...), 1, ""},
		{"lines of Windows", bytes.ReplaceAll(two, []byte("\n"), []byte("\r\n")), 2, ""},
		{"text around", slices.Concat([]byte("Certificate:\n  Data\n"), one, []byte("\n# end\n")), 1, ""},
		{"no line end", bytes.TrimSpace(one), 1, ""},
		{"nothing", nil, 0, "cert: empty"},
		{"text", []byte("hello"), 0, "cert: not PEM: no line begins"},
		{"DER", ca.Cert.Raw, 0, "it looks like DER"},
		{"second cut off", two[:len(two)-30], 0, "2 PEM blocks begin, 1 can be read"},
		{"first garbled", bytes.Replace(two, []byte("MII"), []byte("M!I"), 1), 0, "2 PEM blocks begin, 1 can be read"},
		{"key among", append(slices.Clone(one), keyPEM(t, ca.Key)...), 0, "PRIVATE KEY instead of CERTIFICATE"},
	} {
		all, err := DecodeCerts(c.data)
		if len(all) != c.n || c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("DecodeCerts of %s = %d, %v, want %d and %q", c.name, len(all), err, c.n, c.want)
		}
	}
	key := keyPEM(t, ca.Key)
	for name, data := range map[string][]byte{
		"more than one block":   append(slices.Clone(key), key...),
		"cert: no private key":  []byte("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"),
		"cert: private key: ":   []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
		"key is encrypted":      []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
		"CERTIFICATE instead":   one,
		"cert: not PEM: no lin": []byte("x"),
	} {
		if _, err := DecodeKey(data); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("DecodeKey = %v, want %q", err, name)
		}
	}
}

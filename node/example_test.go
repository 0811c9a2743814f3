package node_test

import (
	"fmt"

	"kith/crypto"
	"kith/node"
)

func ExampleParse() {
	n, err := node.Parse("enode://79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798" +
		"483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8@boot.example.org:30303?discport=30301")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(n.Short(), "at", n.Hosts)
	fmt.Println("discovery at", n.UDPHosts())
	// Output:
	// c0a6c424 at [boot.example.org:30303]
	// discovery at [boot.example.org:30301]
}

func ExampleParse_record() {
	n, err := node.Parse("enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8")
	if err != nil {
		fmt.Println(err) // also if the signature is not right
		return
	}
	fmt.Println(n.Short(), "in record", n.Record.Seq(), "says: discovery at", n.UDPHosts())
	// Output: a448f24c in record 1 says: discovery at [127.0.0.1:30303]
}

func ExampleRecord_Sign() {
	key, err := crypto.ParseKeyHex("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291")
	if err != nil {
		fmt.Println(err)
		return
	}
	var r node.Record
	r.SetSeq(7)
	if err := r.Set("color", "blue"); err != nil { // an entry of our own
		fmt.Println(err)
		return
	}
	if err := r.Sign(key); err != nil {
		fmt.Println(err)
		return
	}
	heard, err := node.ParseRecord(r.String()) // as it travels
	if err != nil {
		fmt.Println(err)
		return
	}
	var color string
	fmt.Println(heard.Seq(), heard.Get("color", &color), color)
	// Output: 7 <nil> blue
}

// Go's crypto packages: the key as parsed from PKCS#8 PEM, or AES blocks.
package main

import (
	"bufio"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"runtime"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func load(path string) crypto.Signer {
	text, err := os.ReadFile(path)
	check(err)
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	check(err)
	return key.(crypto.Signer)
}

func sign(key crypto.Signer) {
	digest := sha256.Sum256([]byte("message"))
	var err error
	if _, ok := key.(ed25519.PrivateKey); ok {
		_, err = key.Sign(rand.Reader, []byte("message"), crypto.Hash(0))
	} else {
		_, err = key.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	check(err)
}

func main() {
	var key crypto.Signer
	var block cipher.Block
	switch os.Args[1] {
	case "none":
	case "aes":
		raw, err := os.ReadFile(os.Args[2])
		check(err)
		block, err = aes.NewCipher(raw)
		check(err)
		text := make([]byte, 16)
		block.Encrypt(text, text)
	default:
		key = load(os.Args[2])
		sign(key)
		runtime.GC()
		sign(key)
	}
	fmt.Println("READY")
	bufio.NewReader(os.Stdin).ReadString('\n')
	runtime.KeepAlive(key)
	runtime.KeepAlive(block)
}

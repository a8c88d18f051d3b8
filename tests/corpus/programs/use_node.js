// Node: a key from PEM text, used twice; or an AES cipher.
const crypto = require('crypto');
const fs = require('fs');

const [kind, path, style] = process.argv.slice(2);
let kept;
if (kind === 'aes') {
  const raw = fs.readFileSync(path);
  kept = crypto.createCipheriv(`aes-${raw.length * 8}-cbc`, raw, Buffer.alloc(16));
  kept.update('a block of text.');
} else if (kind !== 'none') {
  const text = fs.readFileSync(path, 'utf8');
  // A signer that passes the text of its key each time, or one that holds the key object.
  kept = style === 'text' ? text : crypto.createPrivateKey(text);
  for (let i = 0; i < 2; i++) {
    crypto.sign(kind === 'ed25519' ? null : 'sha256', Buffer.from('message'), kept);
  }
}
console.log('READY');
process.stdin.resume();
process.stdin.on('data', () => process.exit(kept ? 0 : 1));
